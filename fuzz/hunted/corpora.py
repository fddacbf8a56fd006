"""Hostile texts by kind, each made from a small table. `RAW`: parts of an address as they are, not encoded again."""

from itertools import product

BREAKS = ("'", '"', "`", "]", ")", "';", '";', "\\'", "'))", "\u02bc", "\uff07")
CLAUSES = (
    *("", " OR 1=1--", " UNION SELECT name FROM sqlite_master--", "; DROP TABLE _audit--", "||(SELECT 1)||", "--"),
    *(" AND sqlite_version()>0--", " LIKE '%", "/**/OR/**/1", ";ATTACH 'x' AS y", ") ORDER BY 99--", " GLOB '*'"),
    *("; PRAGMA writable_schema=1", " LIMIT 1 OFFSET 2", "::text", "\n;SELECT 1"),
)
TEMPLATES = (
    "$.name",
    "{{7*7}}",
    "${7*7}",
    "<%= 7*7 %>",
    "%s%n%x",
    "$(id)",
    "`id`",
    "| id",
    "*)(uid=*",
    "=1+1",
    "__proto__",
)
INJECTION = (*(one + other for one, other in product(BREAKS, CLAUSES)), *TEMPLATES)

CODE = ("alert(1)", "alert`1`", "eval(name)", "\\u0061lert(1)", "&#97;lert(1)", "top['al'+'ert'](1)", "import('//x')")
MARKUP = (
    *(
        "<script>{}</script>",
        "<img src=x onerror={}>",
        "<svg/onload={}>",
        '"><script>{}</script>',
        "'-{}-'",
        "</title>{}",
    ),
    *("javascript:{}", "<iframe srcdoc='<script>{}</script>'>", "<a href='javascript:{}'>x</a>", "<!--{}-->", "]]>{}"),
    *("<math><mtext></p><img src onerror={}>", "<body onload={}>", "<details open ontoggle={}>", "<style>@import'{}'"),
    *("data:text/html,<script>{}</script>", "<scr<script>ipt>{}", "<ScRiPt\t>{}</sCrIpT>", "\x00<script>{}</script>"),
    *("<input autofocus onfocus={}>", "<base href=//x/{}>", "<object data='data:text/html;{}'>"),
)
MARKED = tuple(form.format(code) for form, code in product(MARKUP, CODE))

POINTS = (
    *(0x0, 0x1, 0x7, 0x8, 0x9, 0xA, 0xD, 0x1B, 0x1F, 0x7F, 0x80, 0x85, 0x9F, 0xA0, 0xAD, 0x130, 0x131, 0x17F, 0x1E9E),
    *(0x300, 0x345, 0x36F, 0x5D0, 0x600, 0x61C, 0x661, 0x6DD, 0x96D, 0xE33, 0x115F, 0x1680, 0x180E, 0x1D2C, 0x2000),
    *(0x200B, 0x200D, 0x200E, 0x200F, 0x2028, 0x2029, 0x202A, 0x202E, 0x2060, 0x2066, 0x2069, 0x20AC, 0x2126, 0x212A),
    *(0x3000, 0x3164, 0xAC00, 0xD7FF, 0xE000, 0xFB01, 0xFDFA, 0xFE0F, 0xFEFF, 0xFF0C, 0xFF11, 0xFFFC, 0xFFFD, 0xFFFE),
    *(0xFFFF, 0x10000, 0x1D7CE, 0x1F468, 0x1F600, 0x1FFFE, 0x20000, 0xE0001, 0xE007F, 0xF0000, 0x10FFFF),
)
SETTINGS = ("{0}", "a{0}", "{0}a", "a{0}b{0}", "{0}" * 40)
UNICODE = (
    *(form.format(chr(point)) for form, point in product(SETTINGS, POINTS)),
    *("a" + "\u0308\u0301\u0323" * 300, "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u1e9bs\u0323", "x" * 5000),
)
HALVES = ("\ud800", "\udfff", "a\udc00b", "\ud83d\ud83d", "\ude00\ud83d")  # JSON can say them, UTF-8 cannot
LONG = ("x" + "\u0301\u0316" * 20_000, "\ufdfa" * 40_000)  # what takes long to normalise, and what grows by it

EDGES = tuple(2**bits + step for bits in (7, 8, 15, 16, 31, 32, 53, 63, 64, 128, 1024) for step in (-1, 0, 1))
WRITTEN = (
    *("1_000", " 12", "12 ", "+5", "--1", "1e3", "1E3", "1e999", "-1e999", "1e-400", "0x10", "0b1", "0o7", "007", "-0"),
    *("-0.0", ".5", "5.", "1,5", "1.5.5", "NaN", "-NaN", "nan", "Infinity", "-Infinity", "inf", "1e", "e1", "1e+", "½"),
    *("\u0665", "\u0967\u0968", "\uff11", "²", "Ⅷ", "1\u00a0000", "1'000", "0" * 400, "9" * 400, "0." + "9" * 400),
    *(
        "true",
        "null",
        "None",
        "[]",
        "{}",
        "1/0",
        "1e308",
        "1.7976931348623159e308",
        "5e-324",
        "1\x00",
        "1;2",
        "1d",
        "1L",
    ),
)
NUMBERS = (*(str(sign * edge) for sign, edge in product((1, -1), EDGES)), *WRITTEN)

UP = (
    "../",
    "..\\",
    "%2e%2e/",
    "%2e%2e%2f",
    "..%2f",
    "%252e%252e%252f",
    "..;/",
    "....//",
    "..%c0%af",
    "..%5c",
    "./",
    "//",
)
GOALS = ("etc/passwd", "_/feeds", "openapi.json", "", "%00", "v1/_/partitions", "?limit=1")
RAW = (
    *(up * times + goal for up, times, goal in product(UP, (1, 3), GOALS)),
    *(
        "%ff",
        "%c0%80",
        "%ed%a0%80",
        "%",
        "%zz",
        "%u0041",
        "%00",
        "%0d%0aX-Injected:%20yes",
        "%F0%9F",
        "+",
        "&",
        "&&=",
        ";",
    ),
)

TAGS = ("*", '"', '""', '"x"', 'W/"x"', "W/", '"a","b"', '"a",*', "x", ",", ";", "=", "q=", "*/*;q=2", "a/b;q=x", "\t")
HEADERS = (
    *(tag * times for tag, times in product(TAGS, (1, 3, 500))),
    *(f"{tag}, {tag}" for tag in TAGS),
    *(f" {tag} " for tag in TAGS),
    *(text + chr(point) for text, point in product(("", "a", '"'), (0x1, 0x7F, 0x80, 0xA0, 0xFF, 0x22, 0x5C, 0x25))),
)

TEXTS = {"injection": INJECTION, "markup": MARKED, "unicode": UNICODE, "number": NUMBERS}
ALL = {**TEXTS, "halves": HALVES, "long": LONG, "path": RAW, "header": HEADERS}
