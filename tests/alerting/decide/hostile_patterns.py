"""Regular expressions that take exponential time with backtracking, or much memory, or that RE2 does not have."""

EXPONENTIAL = (
    "(?:.|.|.|.|.|.|.|.)*!",
    "(a+)+!",
    "(?:a*)*b",
    "(?:a|a)*!",
    "(?:a|aa)+!",
    "(.*)*x",
    "(.*a){20}!",
    "(?:[a-z-]+)*!",
    "(?:(?:(?:[a-z-]?)*)*)*!",
    "([a-zA-Z-]+)*!",
    r"(\w+\s?)*!",
    r"^(?:\w|-)+(?:\w|-)+(?:\w|-)+(?:\w|-)+!$",
    "(?:w?i?j?k?-?a?n?)*!",
    "(?:(?:a?){20})*(?:[a-z-]?){60}!",
    "(?:.?){50}.{50}!",
)
TOO_LARGE = (".{1000}", r"\pL{300}", "((a{30}){30}){30}", "(.{30}){30}", "a{1001}", "(?:[^a-z].){250}")
UNSUPPORTED = ("(?=a)a", "(?!a)b", "(?<=a)b", "(?<!a)b", r"(a)\1", "(?P<x>a)(?P=x)", "(?>a+)b")
