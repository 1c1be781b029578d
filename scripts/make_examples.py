"""Writes the compressed examples from the readable ones beside them.

`crawl.warc.gz` holds captures of the Harbour Courier's pages as a crawler would have kept them;
`la-ribera.jsonl.gz` is a small dump; `damaged/cut-off.html.gz` ends in the middle of a page.
"""

from __future__ import annotations

import gzip
import json
import uuid
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
COURIER = "https://www.harbourcourier.example/region"

NOT_FOUND = """<!DOCTYPE html>
<html lang="en"><head><title>404 - Page not found | Harbour Courier</title></head>
<body><h1>Page not found</h1><p>The page you are looking for has moved or never existed.</p>
<p><a href="/">Back to the front page</a></p></body></html>
"""

LA_RIBERA = [
    {
        "url": "https://laribera.example/cultura/biblioteca-cristal",
        "fetched_at": "2025-09-11T18:30:00Z",
        "text": """La Ribera
Cultura
La vieja fábrica de vidrio será una biblioteca con hornos
El proyecto conserva dos de los seis hornos y abre un patio de lectura junto al río.
Por Lucía Ferrandis
11 de septiembre de 2025
Lectura de 2 minutos
El patio de la fábrica, esta semana. / Foto: Darío Quiroga

Durante noventa años salieron de la fábrica de la ribera botellas, bombillas y ojos de muñeca. Desde 2027 \
saldrán libros: el ayuntamiento aprobó este jueves convertirla en biblioteca.

El proyecto conserva dos de los seis hornos. En uno habrá una sala para cuentos; en el otro, según la \
arquitecta Nuria Sabater, «nada, porque también hace falta un sitio donde no haya nada».

La obra costará 6,2 millones y empezará en febrero. Los antiguos sopladores han pedido trabajar como guías, \
y diecisiete de ellos ya tienen contrato.

La biblioteca abrirá hasta medianoche. El último autobús se retrasa veinte minutos para esperar a los \
lectores.

Te puede interesar
Los panaderos no esperan que baje la harina antes del otoño
Un pueblo con más cubos que libros
El tren nocturno vuelve a la costa norte este invierno
""",
    },
    {
        "url": "https://laribera.example/economia/harina",
        "fetched_at": "2025-09-11T18:30:09Z",
        "text": """La Ribera
Economía
Los panaderos no esperan que baje la harina antes del otoño
Tres primaveras secas han vaciado los silos del valle.
Por Mateo Albarracín
10 de septiembre de 2025

El pan de La Ribera seguirá al mismo precio, pero pesará un poco menos. Así lo anunció el gremio de \
panaderos, que reúne a 84 hornos de la comarca.

La harina cuesta un 31 por ciento más que hace un año. La cosecha del valle ha sido la peor desde 2005 y el \
grano llega ahora en barco.

«Preferimos una barra más corta a una barra más cara», explicó el portavoz del gremio, Hugo Belmonte. La \
medida durará, como pronto, hasta noviembre.

Te puede interesar
La vieja fábrica de vidrio será una biblioteca con hornos
El tren nocturno vuelve a la costa norte este invierno
""",
    },
]


def warc_record(kind: str, date: str, content: bytes, uri: str = "", content_type: str = "") -> bytes:
    """One record as a gzip member of its own, so that a reader can start at it."""
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{kind} {uri} {date}")
    lines = ["WARC/1.1", f"WARC-Type: {kind}", f"WARC-Record-ID: <urn:uuid:{name}>", f"WARC-Date: {date}"]
    if uri:
        lines.append(f"WARC-Target-URI: {uri}")
    lines += [f"Content-Type: {content_type}", f"Content-Length: {len(content)}", "", ""]
    return gzip.compress("\r\n".join(lines).encode() + content + b"\r\n\r\n", mtime=0)


def response(
    uri: str, date: str, body: bytes, status: str = "200 OK", content_type: str = "text/html"
) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return warc_record("response", date, head.encode() + body, uri, "application/http; msgtype=response")


def crawl() -> bytes:
    """Three captures of one article (the second with a paragraph more), and what else a crawl meets."""
    ferry = (EXAMPLES / "harbour-courier/ferry-line.html").read_bytes()
    last = ferry.rindex(b"  <p>Whether the houses")
    early = ferry[:last] + ferry[ferry.index(b"</article>", last) :]
    roofs = (EXAMPLES / "harbour-courier/school-roofs.html").read_bytes()
    picture = (EXAMPLES / "damaged/picture.html").read_bytes()
    return b"".join(
        [
            warc_record(
                "warcinfo",
                "2025-09-12T05:00:00Z",
                b"format: WARC File Format 1.1\r\n",
                "",
                "application/warc-fields",
            ),
            warc_record(
                "request",
                "2025-09-12T05:00:01Z",
                b"GET /region/ferry-line-sandholm HTTP/1.1\r\nHost: www.harbourcourier.example\r\n\r\n",
                f"{COURIER}/ferry-line-sandholm",
                "application/http; msgtype=request",
            ),
            response(f"{COURIER}/ferry-line-sandholm", "2025-09-12T05:00:01Z", early),
            response(f"{COURIER}/ferry-line-sandholm?utm_source=mail", "2025-09-12T09:30:00Z", ferry),
            response(f"{COURIER}/ferry-line-sandholm", "2025-09-13T09:30:00Z", ferry),
            response(f"{COURIER}/school-roofs", "2025-09-12T05:00:02Z", roofs),
            response(f"{COURIER}/tram-line-9", "2025-09-12T05:00:03Z", NOT_FOUND.encode(), "404 Not Found"),
            response(
                "https://www.harbourcourier.example/img/ferry.png",
                "2025-09-12T05:00:04Z",
                picture,
                content_type="image/png",
            ),
        ]
    )


def main() -> None:
    (EXAMPLES / "crawl.warc.gz").write_bytes(crawl())
    lines = "".join(json.dumps(page, ensure_ascii=False) + "\n" for page in LA_RIBERA)
    (EXAMPLES / "la-ribera.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
    whole = gzip.compress((EXAMPLES / "valley-post/reservoir.html").read_bytes(), mtime=0)
    (EXAMPLES / "damaged/cut-off.html.gz").write_bytes(whole[: len(whole) // 2])


if __name__ == "__main__":
    main()
