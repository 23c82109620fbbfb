-- Numbers of stations and observed properties for clients that take whole numbers as ids: SensorThings, Sensor.Community.
-- A number is given once and never changes. docs/adr/0185-sensorthings.md

ALTER TABLE station ADD COLUMN number int GENERATED ALWAYS AS IDENTITY UNIQUE;
ALTER TABLE observed_property ADD COLUMN number int GENERATED ALWAYS AS IDENTITY UNIQUE;
