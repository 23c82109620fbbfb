"""A sample of each format, made from its list of fields, with the values that it holds."""

import json

import cbor2

from gateway.adapters.foreign import ForeignMessage
from gateway.adapters.mapping import FieldMapping, MappedValue

MAPPING = FieldMapping(
    values={
        "pm2_5": MappedValue(path="$.pm25"),
        "temperature": MappedValue(path="$.temp", unit="degF"),
    }
)
GENERIC = FieldMapping(
    device="$.serial",
    time="$.measured",
    time_zone="Europe/Amsterdam",
    values={
        "pm2_5": MappedValue(path="$.data[?@.name=='PM25'].value", unit="mg/m3"),
        "co2": MappedValue(path="$.co2", factor=10.0, offset=-5.0),
    },
)


def as_json(content: object) -> bytes:
    return json.dumps(content).encode()


def airrohr(**values: object) -> bytes:
    items = [{"value_type": name, "value": str(value)} for name, value in values.items()]
    return as_json({"esp8266id": "12345", "software_version": "NRZ-2024-135", "sensordatavalues": items})


def pushed(**values: object) -> bytes:
    items = [{"value_type": name, "value": str(value)} for name, value in values.items()]
    return as_json({"software_version": "NRZ-2024-135", "sensordatavalues": items})


def uplink(payload: object) -> bytes:
    return as_json(
        {
            "end_device_ids": {"device_id": "nose-3", "dev_eui": "70B3D57ED0001234"},
            "received_at": "2026-11-29T10:00:01.5Z",
            "uplink_message": {
                "session_key_id": "AYxx",
                "f_cnt": 17,
                "decoded_payload": payload,
                "received_at": "2026-11-29T10:00:01.123456789Z",
            },
        }
    )


def chirp(payload: object) -> bytes:
    return as_json(
        {
            "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
            "time": "2026-11-29T11:00:01+01:00",
            "deviceInfo": {"devEui": "0101010101010101"},
            "fCnt": 4,
            "data": "qg==",
            "object": payload,
            "rxInfo": [{"location": {"latitude": 1.0, "longitude": 2.0}}],
        }
    )


SENML = [
    {"bn": "urn:dev:mac:0024befffe804ff1:", "bt": 1795946400, "n": "pm2_5", "u": "ug/m3", "v": 12.5},
    {"n": "temperature", "u": "K", "v": 293.15},
    {"n": "pm2_5", "v": 13.5, "t": 60},
]
_LABELS = {"bn": -2, "bt": -3, "n": 0, "u": 1, "v": 2, "t": 6}
SENML_CBOR = cbor2.dumps([{_LABELS[key]: value for key, value in record.items()} for record in SENML])

# format -> message, mapping, sender, values of the first reading
SAMPLES = {
    "airrohr": (
        ForeignMessage(
            body=airrohr(SDS_P1=20.1, SDS_P2="12.3", BME280_temperature=8.5, BME280_pressure=101325, signal=-60),
            headers={"x-sensor": "esp8266-12345"},
        ),
        None,
        "12345",
        {"pm10": 20.1, "pm2_5": 12.3, "temperature": 8.5, "pressure": 1013.25},
    ),
    "sensor-community": (
        ForeignMessage(body=pushed(P1=66.04, P2=53.32), headers={"x-sensor": "esp8266-77", "x-pin": "1"}),
        None,
        "77",
        {"pm10": 66.04, "pm2_5": 53.32},
    ),
    "airgradient": (
        ForeignMessage(
            body=as_json(
                {
                    "serialno": "ecda3b1eaaaf",
                    "pm01": 3, "pm02": 7.5, "pm10": 8, "pm02Compensated": 5.1,
                    "rco2": 447, "atmp": 25.87, "atmpCompensated": 24.47, "rhum": 43, "tvocRaw": 33051, "noxRaw": 16307,
                    "tvocIndex": 100,
                }
            )
        ),
        None,
        "ecda3b1eaaaf",
        {
            "pm1": 3, "pm2_5": 7.5, "pm10": 8, "co2": 447, "temperature_airgradient": 25.87,
            "humidity_airgradient": 43, "voc_raw": 33051, "nox_raw": 16307,
        },
    ),
    "purpleair": (
        ForeignMessage(
            body=as_json(
                {
                    "SensorId": "84:f3:eb:11:22:33", "DateTime": "2026/11/29T10:00:00z",
                    "pm2_5_atm": 10.5, "pm2_5_atm_b": 11.0, "pm2_5_cf_1": 12.0, "pm10_0_atm": 14.0, "pm1_0_atm": 6.0,
                    "current_temp_f": 68, "current_humidity": 50, "pressure": 1009.1,
                }
            )
        ),
        None,
        "84:f3:eb:11:22:33",
        {
            "pm1": 6.0, "pm2_5": 10.5, "pm10": 14.0, "temperature_purpleair": 20.0, "humidity_purpleair": 50,
            "pressure_purpleair": 1009.1,
        },
    ),
    "tasmota": (
        ForeignMessage(
            body=as_json(
                {
                    "Time": "2026-11-29T11:00:00",
                    "SDS0X1": {"PM2.5": 1.2, "PM10": 3.4},
                    "BME280": {"Temperature": 50.0, "Humidity": 40.1, "Pressure": 750.0},
                    "TempUnit": "F", "PressureUnit": "mmHg",
                }
            ),
            topic="tele/garden/SENSOR",
        ),
        None,
        "garden",
        {"pm2_5": 1.2, "pm10": 3.4, "temperature": 10.0, "humidity": 40.1, "pressure": 999.91790531},
    ),
    "senml": (
        ForeignMessage(body=as_json(SENML)),
        None,
        "urn:dev:mac:0024befffe804ff1",
        {"pm2_5": 12.5, "temperature": 20.0},
    ),
    "things-stack": (
        ForeignMessage(body=uplink({"pm25": 9.5, "temp": "68"})),
        MAPPING,
        "70B3D57ED0001234",
        {"pm2_5": 9.5, "temperature": 20.0},
    ),
    "chirpstack": (
        ForeignMessage(body=chirp({"pm25": "9.5", "temp": 68})),
        MAPPING,
        "0101010101010101",
        {"pm2_5": 9.5, "temperature": 20.0},
    ),
    "esphome": (
        ForeignMessage(body=b"9.5", topic="attic/sensor/pm_2_5um/state"),
        FieldMapping(values={"pm2_5": MappedValue(path="pm_2_5um")}),
        "attic",
        {"pm2_5": 9.5},
    ),
    "json": (
        ForeignMessage(
            body=as_json(
                {
                    "serial": 4711, "measured": "2026-11-29 11:00:00", "co2": 50,
                    "data": [{"name": "PM10", "value": 3}, {"name": "PM25", "value": "0.0095"}],
                }
            )
        ),
        GENERIC,
        "4711",
        {"pm2_5": 9.5, "co2": 495.0},
    ),
}  # fmt: skip
