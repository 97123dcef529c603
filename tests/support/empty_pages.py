"""Web servers' pages for an empty directory, /data/d/ at h.example, with repetitions shortened."""
# ruff: noqa: E501

CADDY_SCRIPT = """const filterEl = document.getElementById('filter'); filterEl?.focus({ preventScroll: true });
function initPage() { if (!filterEl?.value) { const filterParam = new URL(window.location.href).searchParams.get('filter'); }
document.querySelectorAll('.size').forEach(el => { const size = Number(el.dataset.size);
el.querySelector('.sizebar-bar').style.width = `${size/largest * 100}%`; }); }
function filter() { document.querySelectorAll('tr.file').forEach(function(el) { if (!q) { el.style.display = ''; return; }
const nameEl = el.querySelector('.name'); const nameVal = nameEl.textContent.trim().toLowerCase(); }); }
function queryParam(k, v) { const qs = new URLSearchParams(window.location.search); window.location = window.location.pathname; }
function localizeDatetime(e, index, ar) { var d = new Date(e.getAttribute('datetime')); e.textContent = d.toLocaleString(); }
var timeList = Array.prototype.slice.call(document.getElementsByTagName("time")); timeList.forEach(localizeDatetime);"""
RCLONE_SCRIPT = """var filterEl = document.getElementById('filter'); filterEl.focus();
function filter() { var elems = document.querySelectorAll('tr.file'); elems.forEach(function(el) { var nameEl = el.querySelector('.name'); }); }
e.textContent = d.toLocaleString([], {day: "2-digit", month: "2-digit", year: "numeric"});
sURLVariables = sPageURL.split('&'); sParameterName = sURLVariables[i].split('=');
function toggle(className){ var currHref = elements[i].href; if(order=='desc'){ var chg = currHref.replace('desc', 'asc'); elements[i].href = chg; } }
var units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];
humanSize = readableFileSize(sizes[i].innerHTML); sizes[i].innerHTML = humanSize"""
SERVE_INDEX_SCRIPT = """function $(id){ var el = 'string' == typeof id ? document.getElementById(id) : id;
el.on = function(event, fn){ if ('content loaded' == event) { event = window.attachEvent ? "load" : "DOMContentLoaded"; } };
el.all = function(selector){ return $(el.querySelectorAll(selector)); }; el.getClasses = function(){ return this.getAttribute('class').split(/\\s+/); };
el.each = function(fn){ for (var i = 0, len = el.length; i < len; ++i) { fn($(el[i]), i); } }; return el; }
function search() { var str = $('search').value.toLowerCase(); if ('..' == text) return; link.addClass('highlight'); }
$(window).on('content loaded', function(){ $('search').on('keyup', search); });"""
SVG = '<svg class="icon" viewBox="0 0 24 24" stroke-width="1.5"><path d="M0 0h24v24H0z"></path></svg>'

EMPTY = {
    "nginx": """<html>\r\n<head><title>Index of /data/d/</title></head>\r\n<body>\r\n<h1>Index of /data/d/</h1><hr><pre><a href="../">../</a>\r\n</pre><hr></body>\r\n</html>\r\n""",
    "fancyindex": """<!DOCTYPE html><html><head><meta charset="utf-8"><style type="text/css">body,html {background:#fff}</style>
<title>Index of /data/d/</title></head><body><h1>Index of /data/d/</h1><table id="list"><thead><tr>
<th style="width:55%"><a href="?C=N&amp;O=A">File Name</a>&nbsp;<a href="?C=N&amp;O=D">&nbsp;&darr;&nbsp;</a></th>
<th style="width:20%"><a href="?C=S&amp;O=A">File Size</a></th><th><a href="?C=M&amp;O=A">Date</a></th></tr></thead>
<tbody><tr><td class="link"><a href="../">Parent directory/</a></td><td class="size">-</td><td class="date">-</td></tr>
</tbody></table></body></html>""",
    "apache-ul": """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd"><html>
<head><title>Index of /data/d</title></head><body><h1>Index of /data/d</h1><ul><li><a href="/data/"> Parent Directory</a></li>
</ul><address>Apache/2.4.68 (Debian) Server at h.example Port 8080</address></body></html>""",
    "apache-pre": """<html><head><title>Index of /data/d</title></head><body><h1>Index of /data/d</h1>
<pre><img src="/icons/blank.gif" alt="Icon "> <a href="?C=N;O=D">Name</a>  <a href="?C=M;O=A">Last modified</a>  <a href="?C=S;O=A">Size</a>  <a href="?C=D;O=A">Description</a><hr><img src="/icons/back.gif" alt="[PARENTDIR]"> <a href="/data/">Parent Directory</a>                  -   \n<hr></pre>
<address>Apache/2.4.68 (Unix) OpenSSL/1.1.1k PHP/8.0 Server at 10.0.0.1 Port 80</address></body></html>""",
    "apache-table": """<html><head><title>Index of /data/d</title></head><body><h1>Index of /data/d</h1><table>
<tr><th valign="top"><img src="/icons/blank.gif" alt="[ICO]"></th><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
<tr><th colspan="5"><hr></th></tr><tr><td valign="top"><img src="/icons/back.gif" alt="[PARENTDIR]"></td>
<td><a href="/data/">Parent Directory</a></td><td>&nbsp;</td><td align="right">  - </td><td>&nbsp;</td></tr><tr><th colspan="5"><hr></th></tr></table>
</body></html>""",
    "apache-with-a-sentence": """<html><head><title>Index of /data/d</title></head><body><h1>Index of /data/d</h1>
<ul><li><a href="/data/"> Parent Directory</a></li></ul><p>These files are for members of the institute only.</p></body></html>""",
    "lighttpd": """<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html><head><title>Index of /data/d/</title></head><body>
<h2>Index of /data/d/</h2><div class="list"><table summary="Directory Listing" cellpadding="0"><thead><tr><th class="n">Name</th><th class="m">Last Modified</th>
<th class="s">Size</th><th class="t">Type</th></tr></thead><tbody><tr class="d"><td class="n"><a href="../">..</a>/</td><td class="m">&nbsp;</td>
<td class="s">- &nbsp;</td><td class="t">Directory</td></tr></tbody></table></div><div class="foot">lighttpd/1.4.69</div></body></html>""",
    "caddy": f"""<!DOCTYPE html><html><head><title>d</title><link rel="canonical" href="/data/d/"/><style>a.b {{}}</style></head>
<body onload="initPage()"><header><div class="wrapper"><div class="breadcrumbs">Folder Path</div><h1><a href="../../">/</a><a href="../">data</a>/<a href="">d</a></h1></div></header>
<div class="wrapper"><main><div class="meta"><div id="summary"><span class="meta-item"><b>0</b> directories</span><span class="meta-item"><b>0</b> files</span>
<span class="meta-item"><b>0 B</b> total</span></div><a href="javascript:queryParam('layout', '')" id="layout-list" class='layout current'>{SVG}List</a>
<a href="javascript:queryParam('layout', 'grid')" id="layout-grid">{SVG}Grid</a></div><div class='listing'><table><thead><tr><th></th><th>
<a href="?sort=namedirfirst&order=desc" class="icon sort">{SVG}</a><a href="?sort=name&order=asc">Name</a><div class="filter-container">{SVG}
<input type="text" placeholder="Search" id="filter" onkeyup='filter()'></div></th><th><a href="?sort=size&order=asc">Size</a></th></tr></thead><tbody><tr><td></td>
<td><a href="..">{SVG}<span class="go-up">Up</span></a></td><td></td></tr></tbody></table></div></main></div><footer>Served with
<a rel="noopener noreferrer" href="https://caddyserver.com">{SVG}</a></footer><script>{CADDY_SCRIPT}</script></body></html>""",
    "python": """<!DOCTYPE HTML>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Directory listing for /data/d/</title>
</head>\n<body>\n<h1>Directory listing for /data/d/</h1>\n<hr>\n<ul>\n</ul>\n<hr>\n</body>\n</html>""",
    "rclone": f"""<!DOCTYPE html><html><head><title>/data/d</title></head><body onload='filter();toggle("order");changeSize()'>{SVG}
<header><h1><a href="../../">/</a><a href="../">data</a>/<a href="">d</a>/</h1></header><main><div class="meta"><div id="summary">
<span class="meta-item"><input type="text" placeholder="filter" id="filter" onkeyup='filter()'></span></div></div><table aria-describedby="summary"><thead><tr>
<th></th><th><a href="?sort=namedirfirst&order=asc" class="icon sort order">{SVG}</a><a href="?sort=name&order=asc" class="order">Name</a></th></tr></thead>
<tbody><tr><td></td><td><a href=".."><span class="goup">Go up</span></a></td><td>&mdash;</td></tr></tbody></table></main><script>{RCLONE_SCRIPT}</script></body></html>""",
    "miniserve": """<!DOCTYPE html><html><head><title>h.example/data/d</title></head><body id="drop-container"><nav><div><div>
<a data-theme="default" onclick="updateColorScheme('default')">Default (light/dark)</a></div></div></nav>
<div class="container"><span id="top"></span><h1 class="title" dir="ltr"><a href="/"><bdi>h.example</bdi></a>/<a href="/data/"><bdi>data</bdi></a>/<bdi>d</bdi></h1>
<div class="toolbar"><a href="/data/d/?download=tar_gz">Download .tar.gz</a></div><table><thead><tr><th class="name"><span><a href="?sort=name&order=asc">Name</a></span></th>
<th class="size"><a href="?sort=size&order=asc">Size</a></th></tr></thead><tbody><tr><td colspan="3"><p><span class="root-chevron"></span>
<a class="root" href="/data/">Parent directory</a></p></td></tr></tbody></table><a class="back" href="#top">⇪</a>
<div class="footer"><div class="version"><a href="https://github.com/svenstaro/miniserve">miniserve</a>/0.24.0</div></div></div></body></html>""",
    "darkhttpd": """<!DOCTYPE html><html><head><title>/data/d/</title><style>a {}</style></head><body><h1>/data/d/</h1>
<pre><a href="../">..</a>/\n</pre><hr>Generated by darkhttpd/1.14 on Sat, 28 Nov 2026 14:33:07 GMT\n</body></html>""",
    "jetty": """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><link href="jetty-dir.css" rel="stylesheet" /><title>Directory: /data/d/</title></head><body>
<h1 class="title">Directory: /data/d/</h1><table class="listing"><thead><tr><th class="name"><a href="?C=N&O=D">Name&nbsp; &#8679;</a></th>
<th class="lastmodified"><a href="?C=M&O=A">Last Modified</a></th></tr></thead><tbody><tr><td class="name"><a href="/data/">Parent Directory</a></td>
<td class="lastmodified">-</td><td>-</td></tr></tbody></table></body></html>""",
    "tomcat": """<html><head><title>Directory Listing For [/data/d/] - Up To [/data]</title><style>h1 {}</style></head><body>
<h1>Directory Listing For [/data/d/] - <a href="/data/"><b>Up To [/data]</b></a></h1><hr class="line"><table><tr>
<td align="left"><font size="+1"><strong>Filename</strong></font></td><td align="center"><font size="+1"><strong>Size</strong></font></td>
<td align="right"><font size="+1"><strong>Last Modified</strong></font></td></tr></table><hr class="line"><h3>Apache Tomcat/9.0.65 (Debian)</h3></body></html>""",
    "iis": """<html><head><title>h.example - /data/d/</title></head><body><H1>h.example - /data/d/</H1><hr>
<pre><A HREF="/data/">[To Parent Directory]</A><br><br></pre><hr></body></html>""",
    "iis-in-german": """<html><head><title>h.example - /data/d/</title></head><body><H1>h.example - /data/d/</H1><hr>
<pre><A HREF="/data/">[In den übergeordneten Ordner]</A><br><br></pre><hr></body></html>""",
    "serve-index": f"""<!DOCTYPE html><html><head><title>listing directory /data/d/</title><script>{SERVE_INDEX_SCRIPT}</script><script></script></head>
<body class="directory"><input id="search" type="text" placeholder="Search" autocomplete="off" /><div id="wrapper"><h1><a href="/">~</a> / <a href="/data">data</a> / <a href="/data/d">d</a></h1>
<ul id="files" class="view-details"><li class="header"><span class="name">Name</span><span class="size">Size</span><span class="date">Modified</span></li>
<li><a href="/data" title=".."><span class="name">..</span><span class="size"></span></a></li></ul></div></body></html>""",
    "serve": """<!DOCTYPE html><html lang="en"><head><title>Files within data/d/</title></head><body><main><header><h1><i>Index of&nbsp;</i>
<a href="/data/">data/</a><a href="/data/d/">d/</a></h1><a href="https://example.org/docs" target="_blank"><svg viewBox="0 0 16 16"></svg>&nbsp;What's this?</a></header>
<ul id="files"><li><a href="/data/" title="data" class="directory">..</a></li></ul></main></body></html>""",
    "go": """<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n</pre>\n""",
    "thttpd": """<HTML>\n<HEAD><TITLE>Index of /data/d/</TITLE></HEAD>\n<BODY BGCOLOR="#99cc99">\n<H2>Index of /data/d/</H2>\n<PRE>
mode  links  bytes  last-changed  name\n<HR>dr-x    2  4096  Nov 28 14:33  <A HREF="/data/d/.">.</A>/\ndr-x    3  4096  Nov 28  2026  <A HREF="/data/d/..">..</A>/
</PRE></BODY>\n</HTML>""",
    "hiawatha": """<!DOCTYPE html><html><head><title>Index of /data/d/</title></head><body><h1>Index of /data/d/</h1><table><thead><tr><th></th><th>Filename</th>
<th>Filesize</th><th>Last modified</th></tr></thead><tbody><tr><td></td><td><a href="../">..</a></td><td></td></tr></tbody><tfoot><tr><td></td><td>0 files</td><td>0 B</td></tr></tfoot></table>
<div class="footer">Powered by <a href="https://hiawatha.leisink.net/">Hiawatha</a></div></body></html>""",
    "aiohttp": """<html>\n<head>\n<title>Index of /data/d</title>\n</head>\n<body>\n<h1>Index of /data/d</h1>\n<ul>\n\n</ul>\n</body>\n</html>""",
    "with-a-script-of-a-proxy": """<html><head><title>Index of /data/d/</title></head><body><h1>Index of /data/d/</h1><pre><a href="../">../</a>
</pre><script defer src="https://static.cloudflareinsights.com/beacon.min.js/v8"></script></body></html>""",
    "with-words-for-it": """<html><head><title>Index of /data/d/</title></head><body><h1>Index of /data/d/</h1><p>This directory is empty</p>
<table><tr><th>Dateiname</th><th>Größe</th></tr><tr><td>No files found</td></tr></table></body></html>""",
}
