"""Texts that an attacker sends: odd ones, and paths that lead out."""

from urllib.parse import quote

_LINES = r"""
''
"
`
\
\\
'; DROP TABLE photos;--
' OR '1'='1
1) OR (1=1
%
%s%s%n
%0d%0a
{0}
{request}
{{7*7}}
${jndi:ldap://127.0.0.1/a}
<%= 7*7 %>
#{7*7}
$(id)
`id`
|id
<script>alert(1)</script>
<img src=x onerror=alert(1)>
javascript:alert(1)
]]>
<!--
&amp;
=HYPERLINK(1)
@SUM(1)
+1+1
-1-1
price<
price<>1
price<1e999
price<nan
=
a=
=a
a==b
a|b|
brand=*
*
a=\
brand=x:+0.1
price>0:+1e999
price>0:+nan
price>0:+-0.1
:
a:b:c
!
0
-0
00
-1
+1
1e400
-1e400
1e-400
nan
NaN
inf
-inf
Infinity
1_000
0x10
1.0.0
1,5
½
٣
2147483648
9223372036854775808
0,0,1,1
0,0,0,0
nan,nan,nan,nan
-1e308,-1e308,1e308,1e308
0,0,1
true
null
None
undefined
__proto__
constructor
CON
NUL
W10=
bnVsbA==
WzEsMl0=
Ω≈ç√
田中さん
العربية
שלום
👩‍👩‍👧‍👦
🏳️‍🌈
Z̮̞̠͙͔ͅḀ̗̞͈̻̗Ḷ͙͎̯̹̞͓G̻O
ﬀ
ß
İ
"""
"""A text a line; three are base64 of JSON, as cursors are."""
_OTHERS = (
    *("", " ", " 1", "\x1b]0;a\x07", "\x1b[2J", "\r\nX-A: b", "\r\n\r\n<html>", "\u202etest\u202c"),
    *("\U0010ffff", "\ufffe", "\udc80", "a" * 499, "a" * 501, "é" * 500, "👍" * 500, "a" * 20_000, "9" * 400),
    *("[" * 499, "(" * 499, "a|" * 249, "\\" * 499, "*" * 499, "'" * 499, ":" * 499, "," * 499),
)
_CONTROLS = (*range(32), 127, 0x85, 0xA0, 0xAD, 0x200B, 0x200D, 0x2028, 0x2029, 0xFEFF)


def texts() -> list[str]:
    """Texts that break programs: quotes, controls, directions, commands, lengths, numbers that are none."""
    return [*_LINES.strip("\n").split("\n"), *_OTHERS, *map(chr, _CONTROLS), *leading_out()[:20]]


def leading_out() -> list[str]:
    """Paths that lead out of a folder, in the ways that filters have been fooled."""
    targets = ("etc/passwd", "rows.sqlite", "catalogue.json", "proc/self/environ")
    ups = ("../", "..\\", "..;/", "....//", "%2e%2e/", "..%2f", "%2e%2e%2f", "%252e%252e%252f", "..%c0%af", "..%5c")
    deep = [up * count + target for up in ups for count in (1, 2, 6) for target in targets]
    odd = ("%", "%2", "%zz", "%ff%fe", "%c0%ae", "%ed%a0%80", "%00", "%u002e", "%f5%80%80%80", quote("\x00" * 50))
    whole = ("/etc/passwd", "//etc/passwd", "\\\\host\\share\\a", "C:\\Windows\\win.ini", "file:///etc/passwd")
    short = ("~/.ssh/id", "..", ".", "/", "./.", "..\0", "．．／etc/passwd", "..\u2215etc\u2215passwd", "a/../../b")
    return [*deep, *odd, *whole, *short, "../../etc/passwd\0.jpg", "received/..", "similar", "a/similar"]
