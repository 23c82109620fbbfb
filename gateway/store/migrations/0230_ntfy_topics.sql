-- A topic of an area on an ntfy server is a contact too: the settings name it, and nobody's address is in it.

ALTER TABLE subscriptions.contact
    DROP CONSTRAINT contact_kind_check,
    ADD CONSTRAINT contact_kind_check CHECK (kind IN ('email', 'push', 'ntfy'));
ALTER TABLE subscriptions.delivery
    DROP CONSTRAINT delivery_channel_check,
    ADD CONSTRAINT delivery_channel_check CHECK (channel IN ('email', 'push', 'ntfy'));
