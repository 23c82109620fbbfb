-- The unit of a property is that of every stored reading, mean and event of it. Another unit would change what they say
-- without changing their numbers, and stored sentences and sent messages would keep the old one.

CREATE FUNCTION keep_unit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM datastream WHERE property_id = OLD.id) THEN
        RAISE EXCEPTION 'observed property % has readings in %', OLD.id, OLD.unit
            USING ERRCODE = 'check_violation', HINT = 'add another property with the unit ' || NEW.unit;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER keep_unit BEFORE UPDATE OF unit ON observed_property
FOR EACH ROW WHEN (OLD.unit IS DISTINCT FROM NEW.unit) EXECUTE FUNCTION keep_unit();
