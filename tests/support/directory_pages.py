"""Directory pages of web servers for /data/d/ at h.example, which has ``sub/`` and ``a b.txt``."""
# ruff: noqa: E501

PAGES = {
    "nginx": """<html>\r\n<head><title>Index of /data/d/</title></head>\r\n<body>\r\n<h1>Index of /data/d/</h1>
<hr><pre><a href="../">../</a>\r\n<a href="sub/">sub/</a>      28-Nov-2026 14:33       -\r
<a href="a%20b.txt">a b.txt</a>    28-Nov-2026 14:33       2\r\n</pre><hr></body>\r\n</html>""",
    "apache": """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN"><html><head><title>Index of /data/d</title>
</head><body><h1>Index of /data/d</h1><table>
<tr><th valign="top"><img src="/icons/blank.gif" alt="[ICO]"></th><th><a href="?C=N;O=D">Name</a></th>
<th><a href="?C=M;O=A">Last modified</a></th><th><a href="?C=S;O=A">Size</a></th></tr>
<tr><td valign="top"><img src="/icons/back.gif" alt="[PARENTDIR]"></td>
<td><a href="/data/">Parent Directory</a></td><td>&nbsp;</td></tr>
<tr><td><a href="a%20b.txt"><img src="/icons/text.gif"></a></td><td><a href="a%20b.txt">a b.txt</a></td></tr>
<tr><td></td><td><a href="sub/">sub/</a></td><td align="right">2026-11-28 14:33  </td></tr>
</table><address>Apache/2.4 (Debian) Server at <a href="mailto:me@h.example">h.example</a></address></body></html>""",
    "apache-plain": """<html><head><title>Index of /data/d</title></head><body><h1>Index of /data/d</h1>
<ul><li><a href="/data/"> Parent Directory</a></li>
<li><a href="a%20b.txt"> a b.txt</a></li>\n<li><a href="sub/"> sub/</a></li></ul></body></html>""",
    "apache-pre": """<html><head><title>Index of /data/d</title></head><body><h1>Index of /data/d</h1>
<pre><img src="/icons/blank.gif" alt="Icon "> <a href="?C=N;O=D">Name</a> <a href="?C=M;O=A">Last modified</a>
<hr><a href="/data/">Parent Directory</a>   -\n<a href="a%20b.txt">a b.txt</a>  2\n<a href="sub/">sub/</a> -
<hr></pre></body></html>""",
    "lighttpd": """<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html><head>
<title>Index of /data/d/</title></head><body><h2>Index of /data/d/</h2><div class="list"><table><thead><tr>
<th class="n">Name</th></tr></thead><tbody><tr class="d"><td class="n"><a href="../">..</a>/</td></tr>
<tr class="d"><td class="n"><a href="sub/">sub</a>/</td></tr>
<tr><td class="n"><a href="a%20b.txt">a b.txt</a></td></tr></tbody></table></div>
<div class="foot">lighttpd/1.4.69</div></body></html>""",
    "python": """<!DOCTYPE HTML>\n<html lang="en">\n<head>\n<title>Directory listing for /data/d/</title>\n</head>
<body>\n<h1>Directory listing for /data/d/</h1>\n<hr>\n<ul>\n<li><a href="a%20b.txt">a b.txt</a></li>
<li><a href="sub/">sub/</a></li>\n</ul>\n<hr>\n</body>\n</html>""",
    "caddy": """<!DOCTYPE html><html><head><title>d</title><link rel="canonical" href="/data/d/"/></head><body>
<header><h1><a href="../../">/</a><a href="../">data</a>/<a href="">d</a></h1></header><main>
<a href="./?layout=grid">Grid</a><table><thead><tr><th></th><th>
<a href="?sort=namedirfirst&order=desc" class="icon sort"></a><a href="?sort=name&order=asc">Name</a></th></tr>
</thead><tbody><tr><td></td><td><a href=".."><span class="goup">Up</span></a></td></tr>
<tr class="file"><td></td><td><a href="./sub/"><svg><use></use></svg><span class="name">sub</span></a></td></tr>
<tr class="file"><td></td><td><a href="./a%20b.txt"><span class="name">a b.txt</span></a></td></tr></tbody>
</table></main><footer>Served with <a href="https://caddyserver.com">Caddy</a></footer></body></html>""",
    "rclone": """<!DOCTYPE html><html><head><title>/data/d/</title></head><body><header><h1>
<a href="../..">/</a><a href="..">data</a>/<a href="">d</a></h1></header><main><table><thead><tr><th>
<a href="?sort=name&order=asc" class="order">Name</a></th></tr></thead><tbody>
<tr><td></td><td><a href=".."><span class="goup">Go up</span></a></td></tr>
<tr><td><span class="name"><a href="sub/">sub/</a></span></td></tr>
<tr><td><span class="name"><a href="a%20b.txt">a b.txt</a></span></td></tr>
</tbody></table></main></body></html>""",
    "rclone-new": """<!DOCTYPE html><html><head><title>Directory listing of /data/d</title></head><body><table>
<tr><td><a href="sub/">sub/</a></td></tr><tr><td><a href="a%20b.txt">a b.txt</a></td></tr></table></body></html>""",
    "iis": """<html><head><title>h.example - /data/d/</title></head><body><H1>h.example - /data/d/</H1><hr>
<pre><A HREF="/data/">[To Parent Directory]</A><br><br>11/28/2026  2:33 PM    &lt;dir&gt;
<A HREF="/data/d/sub/">sub</A><br> 11/28/2026  2:33 PM   2 <A HREF="/data/d/a%20b.txt">a b.txt</A><br></pre><hr>
</body></html>""",
    "iis-in-german": """<html><head><title>h.example - /data/d/</title></head><body><H1>h.example - /data/d/</H1>
<pre><A HREF="/data/">[In den übergeordneten Ordner]</A><br><A HREF="/data/d/sub/">sub</A><br>
<A HREF="/data/d/a%20b.txt">a b.txt</A><br></pre></body></html>""",
    "jetty": """<!DOCTYPE html><html lang="en"><head><title>Directory: /data/d/</title></head><body>
<h1 class="title">Directory: /data/d/</h1><table class="listing"><thead><tr><th class="name">
<a href="?C=N&O=D">Name&nbsp; &#8679;</a></th></tr></thead><tbody>
<tr><td class="name"><a href="../">Parent Directory</a></td><td></td></tr>
<tr><td class="name"><a href="/data/d/a%20b.txt">a b.txt&nbsp;</a></td></tr>
<tr><td class="name"><a href="/data/d/sub/">sub/&nbsp;</a></td></tr></tbody></table></body></html>""",
    "tomcat": """<html><head><title>Directory Listing For [/data/d/] - Up To [/data]</title></head><body>
<h1>Directory Listing For [/data/d/] - <a href="/data/"><b>Up To [/data]</b></a></h1><table><tr>
<td>&nbsp;&nbsp;<a href="/data/d/sub/"><tt>sub/</tt></a></td></tr><tr>
<td>&nbsp;&nbsp;<a href="/data/d/a%20b.txt"><tt>a b.txt</tt></a></td></tr></table></body></html>""",
    "darkhttpd": """<!DOCTYPE html><html><head><title>/data/d/</title></head><body><h1>/data/d/</h1><tt><pre>
<a href="../">../</a>\n<a href="sub/">sub/</a>\n<a href="a%20b.txt">a b.txt</a>   2\n</pre></tt><hr>
Generated by darkhttpd/1.14</body></html>""",
    "miniserve": """<!DOCTYPE html><html><head><title>h.example/data/d</title></head><body>
<h1><a href="/">h.example</a>/<a href="/data/">data</a>/<span>d</span></h1>
<a href="/data/d/?download=tar_gz">Download .tar.gz</a><table><thead><tr>
<th><a href="?sort=name&order=asc">Name</a></th></tr></thead><tbody>
<tr><td><p><a class="root" href="/data/">Parent directory</a></p></td></tr>
<tr><td><p><a class="directory" href="/data/d/sub/">sub/</a></p></td></tr>
<tr><td><p><a class="file" href="/data/d/a%20b.txt">a b.txt</a></p></td></tr></tbody></table>
<footer><a href="https://github.com/svenstaro/miniserve">miniserve</a>/0.24</footer></body></html>""",
    "go": """<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>
<a href="a%20b.txt">a b.txt</a>\n<a href="sub/">sub/</a>\n</pre>\n""",
    "aiohttp": """<html>\n<head>\n<title>Index of /data/d</title>\n</head>\n<body>\n<h1>Index of /data/d</h1>
<ul>\n<li><a href="/data/d/a%20b.txt">a b.txt</a></li>\n<li><a href="/data/d/sub">sub/</a></li>\n</ul></body></html>""",
    "serve-index": """<!DOCTYPE html><html><head><title>listing directory /data/d/</title></head><body><h1>
<a href="/">~</a> / <a href="/data">data</a> / <a href="/data/d">d</a></h1><ul id="files">
<li><a href="/data" title="..">..</a></li><li><a href="/data/d/sub/">sub</a></li>
<li><a href="/data/d/a%20b.txt">a b.txt</a></li></ul></body></html>""",
    "nginx-json": """[\n{ "name":"sub", "type":"directory", "mtime":"Sat, 28 Nov 2026 14:33:07 GMT" },
{ "name":"a b.txt", "type":"file", "mtime":"Sat, 28 Nov 2026 14:33:07 GMT", "size":2 }\n]\n""",
    "caddy-json": """[{"name":"sub/","size":4096,"url":"./sub/","mode":2147484141,"is_dir":true,"is_symlink":false},
{"name":"a b.txt","size":2,"url":"./a%20b.txt","mode":420,"is_dir":false,"is_symlink":false}]""",
}
