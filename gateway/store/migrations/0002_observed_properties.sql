-- The first rows of the registry. Ranges are the plausible ranges of the sensors in firmware_configs/kits
-- (SPS30 and SEN5x: 0-1000 ug/m3; SGP4x raw: 16-bit ticks), wider where instruments differ.
-- severity: our own alarm levels for short peaks as excess above background, not legal limits.

INSERT INTO observed_property (id, unit, name_nl, name_en, lower, upper, max_rise, severity) VALUES
    ('pm1',            'ug/m3', 'fijnstof PM1',        'particulates PM1',   0, 1000, 500, '{5,15,50,150}'),
    ('pm2_5',          'ug/m3', 'fijnstof PM2,5',      'particulates PM2.5', 0, 1000, 500, '{5,15,50,150}'),
    ('pm4',            'ug/m3', 'fijnstof PM4',        'particulates PM4',   0, 1000, 500, '{5,15,50,150}'),
    ('pm10',           'ug/m3', 'fijnstof PM10',       'particulates PM10',  0, 2000, 1000, '{10,30,100,300}'),
    ('voc_raw',        '{ticks}', 'VOC (ruw signaal)', 'VOC (raw signal)',   0, 65535, NULL, '{300,1000,3000,9000}'),
    ('voc_ohm',        'Ohm',   'VOC (weerstand)',     'VOC (resistance)',   0, 100000000, NULL, NULL),
    ('voc_ppb',        '[ppb]', 'VOC',                 'VOC',                0, 100000, NULL, '{50,150,500,1500}'),
    ('nox_raw',        '{ticks}', 'NOx (ruw signaal)', 'NOx (raw signal)',   0, 65535, NULL, NULL),
    ('ch4',            '[ppm]', 'methaan',             'methane',            0, 100000, NULL, '{1,5,25,100}'),
    ('co2',            '[ppm]', 'kooldioxide',         'carbon dioxide',     300, 40000, NULL, NULL),
    ('temperature',    'Cel',   'temperatuur',         'temperature',        -40, 85, NULL, NULL),
    ('humidity',       '%',     'luchtvochtigheid',    'relative humidity',  0, 100, NULL, NULL),
    ('pressure',       'hPa',   'luchtdruk',           'air pressure',       800, 1100, NULL, NULL),
    ('wind_speed',     'm/s',   'windsnelheid',        'wind speed',         0, 75, NULL, NULL),
    ('wind_direction', 'deg',   'windrichting',        'wind direction',     0, 360, NULL, NULL),
    ('sound_laeq',     'dB(A)', 'geluid LAeq',         'sound LAeq',         0, 140, NULL, NULL),
    ('lost_readings',  '1',     'verloren metingen',   'lost readings',      0, NULL, NULL, NULL);  -- a node's signed gap record
