"""The guide as Markdown and as a printable page (A4), the card as a printable page.

May import the standard library, markdown-it (comes with Rich) and `facts`, `source` of its package.
"""

from __future__ import annotations

from html import escape

from hw_sim.artwork.guide import facts
from hw_sim.artwork.guide.source import OWN, Guide, Item, Pair, guide, number, resolved

SUFFIX = ("", "-zh")
_LETTERS = {"brief": ("B", "需"), "simulated": ("S", "算"), "assumed": ("A", "假")}
_WARNING = ("Warning", "警告")
_OPEN = ("Open", "待定")
_CONTENTS = ("Contents", "目錄")
_SOURCES = ("Sources", "出處")
_GENERATED = "<!-- Written by `make guide` from hw_sim/artwork/guide/guide.toml; do not edit. -->"
_OTHER = ("中文版", "English")
_PRINT = ("to print", "列印版")
_CARD = ("Quick card", "快速卡")
_MARKS = (
    "Without a mark: from the device itself. **A**: assumed here. **B**: the clinical brief. "
    "**S**: computed or simulated.",
    "無標記：取自裝置本身。**假**：本手冊之假設。**需**：臨床需求說明。**算**：計算或模擬。",
)
_PRIORITIES = (("low", "低"), ("medium", "中"), ("high", "高"))
_CLEARS = (
    ("SELECT, once the cause is gone", "排除後按 SELECT"),
    ("E-STOP released, then SELECT held 2 s", "復原 E-STOP 後長按 SELECT 2 秒"),
    ("switch off and on", "關機再開機"),
)
_COLUMNS: dict[str, tuple[Pair, ...]] = {
    "contraindications": (
        ("asked", "詢問項目"), ("grade", "分級"), ("after an override", "略過後之提示"),
        ("source of grade and prompt", "分級與提示之出處"),
    ),
    "applicators": (
        ("applicator", "治療頭"), ("nozzle, mm", "噴嘴，mm"), ("spot, mm", "範圍，mm"),
        ("distance, mm", "距離，mm"), ("depth, mm", "深度，mm"),
    ),
    "faults": (
        ("screen", "畫面"), ("priority", "優先"), ("what is wrong", "原因"),
        ("what to do", "處置"), ("ends by", "解除方式"),
    ),
}  # fmt: skip
_GRADES = (("avoid", "禁止"), ("caution", "注意"))


class _Marks:
    """Numbers the public sources in the order of their first use."""

    def __init__(self) -> None:
        self.used: list[str] = []

    def of(self, item: Item, language: int) -> str:
        marks: list[str] = []
        for name in item.sources:
            if name in _LETTERS:
                marks.append(_LETTERS[name][language])
            elif name not in OWN:
                if name not in self.used:
                    self.used.append(name)
                at = self.used.index(name) + 1
                marks.append(f"[{at}](#source-{at})")
        return f" <sup>{' '.join(marks)}</sup>" if marks else ""


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _heading(cells: list[str]) -> list[str]:
    return ["", _row(cells), _row(["---"] * len(cells)).replace(" ", "")]


def _contraindications(language: int) -> list[list[str]]:
    words = facts.panel(facts.CODES[language])
    evidence = guide().evidence
    return [
        [
            item.name if language == 0 else guide().items[item.name],
            f"**{_GRADES[0 if item.avoid else 1][language]}**",
            facts.pair(words["prompts"][str(item.prompt)]) if item.prompt else "",
            item.source if language == 0 else evidence[item.source],
        ]
        for item in facts.items()
    ]


def _applicators(language: int) -> list[list[str]]:
    words = facts.panel(facts.CODES[language])
    return [
        [
            words["applicators"][str(one.number)],
            number(one.bore_mm) if one.bore_mm else "–",
            number(one.spot_mm),
            str(one.distance_mm) if one.distance_mm else ("touches", "接觸")[language],
            f"{one.low_mm:.1f}…{one.high_mm:.1f}",
        ]
        for one in facts.applicators()
    ]


def _faults(language: int) -> list[list[str]]:
    both = [facts.panel(code)["faults"] for code in facts.CODES]
    rows: list[list[str]] = []
    for fault in facts.faults():
        name, wrong, *todo = both[language][str(fault.number)]
        other = both[1 - language][str(fault.number)][0]
        rows.append(
            [
                f"**{name}** {other}", _PRIORITIES[fault.priority][language], wrong,
                facts.pair(todo), _CLEARS[fault.clears][language],
            ]
        )  # fmt: skip
    return rows


_TABLES = {
    "contraindications": _contraindications, "applicators": _applicators, "faults": _faults,
}  # fmt: skip


def _pictures(item: Item, language: int) -> list[str]:
    folder = ("screens", "screens/zh")[language]
    lines: list[str] = []
    for name in item.pictures:
        alone = name.startswith("../")  # no screen
        path = f"{name[3:]}.png" if alone else f"{folder}/{name}.png"
        what = name.replace("_", " ")
        alt = item.cells[0][language] if item.cells else f"{('screen', '畫面')[language]}: {what}"
        lines.append(f"![{alt}]({path})")
    return ["", " ".join(lines)]


def _lines(item: Item, language: int, step: int, marks: _Marks) -> list[str]:
    """The Markdown of an item. `step`: number of a step."""
    cells = [resolved(cell[language], language) for cell in item.cells]
    match item.kind:
        case "warning":
            return ["", f"> **{_WARNING[language]}.** {cells[0]}{marks.of(item, language)}"]
        case "open":
            return ["", f"*{_OPEN[language]}:* {cells[0]}{marks.of(item, language)}"]
        case "head":
            return ["", f"### {cells[0]}"]
        case "text":
            return ["", f"{cells[0]}{marks.of(item, language)}"]
        case "step":
            gap = [""] if step == 1 else []
            return [*gap, f"{step}. {cells[0]}{marks.of(item, language)}"]
        case "point":
            return [f"- {cells[0]}{marks.of(item, language)}"]
        case "columns":
            return _heading(cells)
        case "row":
            cells[-1] += marks.of(item, language)
            return [_row(cells)]
        case "table":
            heads = [column[language] for column in _COLUMNS[item.name]]
            return [*_heading(heads), *(_row(row) for row in _TABLES[item.name](language))]
        case _:
            return _pictures(item, language)


def markdown(language: int, source: Guide | None = None) -> str:
    """The guide's page in a language (0 English, 1 Chinese)."""
    source = source or guide()
    other, own = SUFFIX[1 - language], SUFFIX[language]
    marks = _Marks()
    lines = [
        _GENERATED,
        "",
        f"# {source.title[language]}",
        "",
        source.subtitle[language],
        "",
        f"[{_OTHER[language]}](guide{other}.md) · [{_PRINT[language]}](guide{own}.html) · "
        f"[{_CARD[language]}](quick-card{own}.html)",
        "",
        _MARKS[language],
        "",
        f'<p class="contents"><b>{_CONTENTS[language]}</b></p>',
        "",
    ]
    lines += [f"{i}. [{c.title[language]}](#{c.name})" for i, c in enumerate(source.chapters, 1)]
    lines.append(f"{len(source.chapters) + 1}. [{_SOURCES[language]}](#sources)")
    for i, chapter in enumerate(source.chapters, 1):
        lines += ["", f'<a id="{chapter.name}"></a>', "", f"## {i}. {chapter.title[language]}"]
        step, before = 0, ""
        for item in chapter.items:
            if item.kind == "head":
                step = 0
            step += item.kind == "step"
            if item.kind == "point" and before != "point":
                lines.append("")
            lines += _lines(item, language, step, marks)
            before = item.kind
    lines += [
        "",
        '<a id="sources"></a>',
        "",
        f"## {len(source.chapters) + 1}. {_SOURCES[language]}",
        "",
    ]
    for at, name in enumerate(marks.used, 1):
        lines.append(f'{at}. <a id="source-{at}"></a>{source.sources[name][language]}')
    return "\n".join(lines) + "\n"


_FONT = (
    'system-ui, "Noto Sans TC", "Noto Sans CJK TC", "PingFang TC", "Microsoft JhengHei", sans-serif'
)
_STYLE = f"""
@page {{ size: A4; margin: 16mm 15mm 18mm; }}
:root {{ color-scheme: light; }}
body {{ font: 10.5pt/1.5 {_FONT}; color: #16202c; max-width: 180mm; margin: 0 auto; padding: 8mm; }}
h1 {{ font-size: 24pt; margin: 0 0 2mm; }}
h2 {{ font-size: 15pt; margin: 9mm 0 3mm; padding-bottom: 1mm;
  border-bottom: 1.5pt solid #16202c; }}
h3 {{ font-size: 12pt; margin: 6mm 0 2mm; }}
h2, h3 {{ break-after: avoid; }}
p, li {{ orphans: 3; widows: 3; }}
p {{ margin: 2mm 0; }} li {{ margin: 1mm 0; break-inside: avoid; }}
ol, ul {{ padding-left: 7mm; margin: 2mm 0; }}
.contents + ol {{ columns: 2; column-gap: 8mm; margin: 0; }}
.contents + ol li {{ margin: 0; }}
blockquote {{ margin: 3mm 0; padding: 2.5mm 4mm; border: 1.5pt solid #b3261e;
  border-left-width: 5pt; background: #fdf1ef; break-inside: avoid; }}
blockquote p {{ margin: 0; }}
table {{ border-collapse: collapse; width: 100%; margin: 3mm 0; font-size: 9.5pt; }}
thead {{ display: table-header-group; }} tr {{ break-inside: avoid; }}
th, td {{ border: 0.5pt solid #8794a3; padding: 1.2mm 2mm; text-align: left; vertical-align: top; }}
th {{ background: #eaf0f6; }}
img {{ max-width: 100%; height: auto; margin: 1mm 2mm 1mm 0; image-rendering: pixelated;
  vertical-align: top; break-inside: avoid; }}
img[src^="screens/"] {{ width: 52mm; }}
code {{ font: 0.92em ui-monospace, monospace; background: #eef2f6; padding: 0 1mm; }}
sup {{ font-size: 7pt; line-height: 0; color: #526071; }} sup a {{ color: inherit; }}
a {{ color: #0b4f8a; }}
@media print {{ body {{ padding: 0; max-width: none; }}
  a {{ color: inherit; text-decoration: none; }} }}
"""


def _page(title: str, body: str, language: int, style: str) -> str:
    code = ("en", "zh-Hant")[language]
    return (
        f'<!DOCTYPE html>\n{_GENERATED}\n<html lang="{code}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def html(language: int) -> str:
    """The guide as a page to print."""
    from markdown_it import MarkdownIt

    text = markdown(language).removeprefix(_GENERATED)
    text = text.replace(f"[{_OTHER[language]}](guide{SUFFIX[1 - language]}.md)",
                        f"[{_OTHER[language]}](guide{SUFFIX[1 - language]}.html)")  # fmt: skip
    text = text.replace(f" · [{_PRINT[language]}](guide{SUFFIX[language]}.html)", "")
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    return _page(f"Cryodose: {guide().title[language]}", body, language, _STYLE)


_CARD_STYLE = f"""
@page {{ size: A4; margin: 0; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; width: 210mm; font: 11.5pt/1.3 {_FONT}; color: #16202c; background: #fff; }}
main {{ width: 210mm; height: 296mm; padding: 11mm 13mm; display: flex;
  flex-direction: column; }}
h1 {{ font-size: 21pt; margin: 0 0 3mm; }}
.alarm {{ background: #b3261e; color: #fff; padding: 3mm 5mm; border-radius: 2mm;
  font-weight: 600; }}
.alarm p {{ margin: 0.6mm 0; }}
ol {{ list-style: none; margin: 3mm 0; padding: 0; flex: 1; display: flex; flex-direction: column;
  justify-content: space-between; }}
li {{ display: grid; grid-template-columns: 8mm 46mm 1fr; gap: 4mm; align-items: center; }}
li b.n {{ font-size: 23pt; color: #0b4f8a; }}
li img {{ width: 46mm; display: block; image-rendering: pixelated; }}
h2 {{ font-size: 14pt; margin: 0 0 0.5mm; }}
li p {{ margin: 0; }}
.two {{ display: grid; grid-template-columns: 1fr 1fr; gap: 8mm; font-size: 10.5pt;
  border-top: 1pt solid #8794a3; padding-top: 2.5mm; }}
.two ul {{ margin: 0.5mm 0 0; padding-left: 5mm; }}
.two li {{ display: list-item; }}
"""


def card(language: int) -> str:
    """The quick card as a page to print: one sheet of A4."""
    source = guide()

    def say(words: Pair | list[str]) -> str:
        return escape(resolved(words[language], language))

    folder = ("screens", "screens/zh")[language]
    out = [f"<h1>{say(source.card['title'])}</h1>", '<div class="alarm">']
    out += [f"<p>{say(line)}</p>" for line in source.card["alarm"]]
    out += ["</div>", "<ol>"]
    for i, step in enumerate(source.steps, 1):
        lines = "".join(f"<p>{say(line)}</p>" for line in step.lines)
        out.append(
            f'<li><b class="n">{i}</b><img src="{folder}/{step.screen}.png" alt="">'
            f"<div><h2>{say(step.head)}</h2>{lines}</div></li>"
        )
    out += ["</ol>", '<div class="two">']
    for head, rows in (("before", "checks"), ("after", "ends")):
        points = "".join(f"<li>{say(row)}</li>" for row in source.card[rows])
        out.append(f"<section><h2>{say(source.card[head])}</h2><ul>{points}</ul></section>")
    out.append("</div>\n")
    return _page(source.card["title"][language], "\n".join(out), language, _CARD_STYLE)


def pages() -> dict[str, str]:
    """File name -> text of everything that `make guide` writes into docs."""
    texts: dict[str, str] = {}
    for language, suffix in enumerate(SUFFIX):
        texts[f"guide{suffix}.md"] = markdown(language)
        texts[f"guide{suffix}.html"] = html(language)
        texts[f"quick-card{suffix}.html"] = card(language)
    return texts
