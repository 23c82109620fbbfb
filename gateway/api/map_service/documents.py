"""XML of a Web Map Service 1.3.0: its capabilities and its ServiceException. Pure."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from gateway.api.features.projections import BY_CODE, CRS84
from gateway.api.map_service.parameters import INFO_FORMATS, MAX_SIDE, PICTURE, ServiceError
from gateway.api.schemas.schema import LICENCE
from gateway.api.settings import ApiSettings
from gateway.model.properties import PROPERTIES

XML = "text/xml; charset=utf-8"
_WMS, _OGC, _XLINK = "http://www.opengis.net/wms", "http://www.opengis.net/ogc", "http://www.w3.org/1999/xlink"
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def build_exception(error: ServiceError) -> bytes:
    """The ServiceExceptionReport of an error."""
    root = ET.Element("ServiceExceptionReport", {"version": "1.3.0", "xmlns": _OGC})
    item = ET.SubElement(root, "ServiceException", {} if error.code is None else {"code": error.code})
    item.text = "".join(character for character in str(error) if character.isprintable())
    return _DECLARATION + ET.tostring(root)


def build_capabilities(settings: ApiSettings, address: str, layers: Sequence[str]) -> bytes:
    """The capabilities. `address`: of the service."""
    root = ET.Element("WMS_Capabilities", {"version": "1.3.0", "xmlns": _WMS, "xmlns:xlink": _XLINK})
    _add_service(root, settings)
    capability = ET.SubElement(root, "Capability")
    request = ET.SubElement(capability, "Request")
    for name, formats in (("GetCapabilities", ["text/xml"]), ("GetMap", [PICTURE]), ("GetFeatureInfo", INFO_FORMATS)):
        operation = ET.SubElement(request, name)
        for format_ in formats:
            ET.SubElement(operation, "Format").text = format_
        get = ET.SubElement(ET.SubElement(ET.SubElement(operation, "DCPType"), "HTTP"), "Get")
        _add_link(get, f"{address}?")
    ET.SubElement(ET.SubElement(capability, "Exception"), "Format").text = "XML"
    parent = ET.SubElement(capability, "Layer")
    ET.SubElement(parent, "Title").text = "Piekwacht: newest minute of each station"
    for code in BY_CODE:
        ET.SubElement(parent, "CRS").text = code
    _add_bounds(parent)
    attribution = ET.SubElement(parent, "Attribution")
    ET.SubElement(attribution, "Title").text = f"{settings.operator}, CC BY 4.0"
    _add_link(attribution, LICENCE)
    for layer in layers:
        _add_layer(parent, address, layer)
    return _DECLARATION + ET.tostring(root)


def _add_service(root: ET.Element, settings: ApiSettings) -> None:
    service = ET.SubElement(root, "Service")
    ET.SubElement(service, "Name").text = "WMS"
    ET.SubElement(service, "Title").text = "Piekwacht"
    ET.SubElement(
        service, "Abstract"
    ).text = "Mean of the newest minute of each station, of readings that count. Measured by sensors, indicative."
    _add_link(service, settings.public_url)
    contact = ET.SubElement(service, "ContactInformation")
    person = ET.SubElement(contact, "ContactPersonPrimary")
    ET.SubElement(person, "ContactPerson").text = settings.operator
    ET.SubElement(person, "ContactOrganization").text = settings.operator
    ET.SubElement(contact, "ContactElectronicMailAddress").text = settings.email
    ET.SubElement(service, "Fees").text = "none"
    ET.SubElement(service, "AccessConstraints").text = f"CC BY 4.0, {LICENCE}"
    ET.SubElement(service, "MaxWidth").text = str(MAX_SIDE)
    ET.SubElement(service, "MaxHeight").text = str(MAX_SIDE)


def _add_bounds(parent: ET.Element) -> None:
    west, south, east, north = CRS84.bounds
    box = ET.SubElement(parent, "EX_GeographicBoundingBox")
    for name, value in (
        ("westBoundLongitude", west), ("eastBoundLongitude", east), ("southBoundLatitude", south),
        ("northBoundLatitude", north),
    ):  # fmt: skip
        ET.SubElement(box, name).text = f"{value}"
    for code, projection in BY_CODE.items():
        left, bottom, right, top = projection.bounds
        corners = (bottom, left, top, right) if projection.is_swapped else (left, bottom, right, top)
        names = ("minx", "miny", "maxx", "maxy")
        ET.SubElement(
            parent, "BoundingBox", {"CRS": code, **{n: f"{v:g}" for n, v in zip(names, corners, strict=True)}}
        )


def _add_layer(parent: ET.Element, address: str, layer: str) -> None:
    row = PROPERTIES[layer]
    element = ET.SubElement(parent, "Layer", {"queryable": "1", "opaque": "0"})
    ET.SubElement(element, "Name").text = layer
    ET.SubElement(element, "Title").text = f"{row.names_in_text['en']} ({row.unit}), mean of 1 min"
    style = ET.SubElement(element, "Style")
    ET.SubElement(style, "Name").text = "default"
    ET.SubElement(style, "Title").text = "Classes of the map; not a legal or health index"
    legend = ET.SubElement(style, "LegendURL", {"width": "190", "height": "176"})
    ET.SubElement(legend, "Format").text = PICTURE
    query = f"SERVICE=WMS&VERSION=1.3.0&REQUEST=GetLegendGraphic&LAYER={layer}&FORMAT={PICTURE}"
    _add_link(legend, f"{address}?{query}")


def _add_link(parent: ET.Element, address: str) -> None:
    ET.SubElement(parent, "OnlineResource", {"xlink:type": "simple", "xlink:href": address})
