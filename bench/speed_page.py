"""The page that bench/speed --html writes: charts drawn as SVG, nothing loaded from elsewhere."""
import html

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c2733; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
p.facts { color: #5a6a7a } table { border-collapse: collapse }
td, th { padding: .2rem .8rem .2rem 0; text-align: left }
.reached { color: #16703c } .missed { color: #b3261e; font-weight: 600 }
svg text { font: 12px system-ui, sans-serif; fill: #1c2733 }
"""
COLOURS = {"ort": "#9aa7b4", "plan": "#1769aa", "onnx": "#74b3e0"}
NAMES = {"ort": "ONNX Runtime", "plan": "Polder, plan", "onnx": "Polder, ONNX file"}
WIDTH, LABEL, ROW, GAP = 760, 130, 17, 12


def time_text(us):
    return f"{us:.1f} µs" if us < 1000 else f"{us / 1000:.2f} ms"


def size_text(count):
    return f"{count / 1e6:.1f} MB"


def bars(models, value, text):
    """Horizontal bars in groups by model, each group in proportion to its longest bar."""
    parts, y = [], 0
    for model, sides in models.items():
        values = {side: value(result) for side, result in sides.items()}
        longest = max(values.values()) or 1
        parts.append(f'<text x="0" y="{y + 13}">{html.escape(model)}</text>')
        for side, number in values.items():
            length = max(1.0, number / longest * (WIDTH - LABEL - 110))
            parts.append(f'<rect x="{LABEL}" y="{y + 2}" width="{length:.1f}" height="{ROW - 4}" '
                         f'fill="{COLOURS[side]}"><title>{NAMES[side]}</title></rect>'
                         f'<text x="{LABEL + length + 6:.1f}" y="{y + 13}">{text(number)}</text>')
            y += ROW
        y += GAP
    return f'<svg viewBox="0 0 {WIDTH} {y}" role="img">{"".join(parts)}</svg>'


def legend():
    return "<p>" + " ".join(f'<span style="color:{COLOURS[side]}">&#9632;</span> {name}&ensp;'
                            for side, name in NAMES.items()) + "</p>"


def targets(report):
    rows = "".join(
        f'<tr><td class="{"reached" if t["reached"] else "missed"}">'
        f'{"reached" if t["reached"] else "missed"}</td><td>{html.escape(t["target"])}</td>'
        f'<td>{html.escape(t["found"])}</td></tr>' for t in report["targets"])
    failures = "".join(f'<tr><td class="missed">not measured</td><td>{html.escape(name)}</td>'
                       f"<td>{html.escape(reason)}</td></tr>"
                       for name, reason in report["failed"].items())
    return f"<table>{rows}{failures}</table>"


def page(report):
    charts = [
        ("Latency, fastest run", lambda r: r["latency_us"]["min"], time_text),
        ("Latency, 99th percentile", lambda r: r["latency_us"]["p99"], time_text),
        ("Open to ready, fastest", lambda r: r["open_us"]["min"], time_text),
        ("Open to ready, first in a process", lambda r: r["open_us"]["first"], time_text),
        ("First run", lambda r: r["first_run_us"], time_text),
        ("Peak RSS", lambda r: r["peak_rss_bytes"], size_text),
    ]
    facts = (f"{report['machine']}; commit {report['commit']}; {report['date']}; "
             f"{report['rounds']} rounds, {report['threads']} thread(s). Shorter is better; "
             "each group has its own scale.")
    body = "".join(f"<h2>{title}</h2>{bars(report['models'], value, text)}"
                   for title, value, text in charts) if report["models"] else ""
    return (f'<!doctype html><html lang="en"><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width">'
            f"<title>Polder against ONNX Runtime</title><style>{STYLE}</style>"
            f'<h1>Polder against ONNX Runtime</h1><p class="facts">{html.escape(facts)}</p>'
            f"{targets(report)}{legend()}{body}</html>\n")
