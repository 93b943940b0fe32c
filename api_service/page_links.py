"""What a page brings along: its styles, and links to every module that its scripts import.

Without this, a browser waits for the styles before it shows anything, and finds modules in modules.
"""

import re
from collections.abc import Mapping

_STYLE = re.compile(r'<link rel="stylesheet" href="/static/([\w.-]+)">\n')
_MODULE = re.compile(
    r'<(?:script type="module" src|link rel="modulepreload" href)="/static/([\w.-]+)">'
)
_SCRIPT = re.compile(r'<script type="module" src="/static/[\w.-]+"></script>\n')
_IMPORT = re.compile(r'^(?:import|export)\b[^;"(=]*"\./([\w.-]+)"', re.MULTILINE)
_IMPORT_OF_LANGUAGE = re.compile(r"\bimport\(`\./([\w.-]*)\$\{lang\}\.js`\)")

_LANGUAGE = "{language}"
"""In the name of a module that exists once for each language."""


def styles_of(page: str) -> list[str]:
    return _STYLE.findall(page)


def inline_styles(page: str, styles: str) -> str:
    """Replace a page's links to stylesheets by their content, where the first one was."""
    first, _, rest = page.partition(found[0]) if (found := _STYLE.search(page)) else (page, "", "")
    inlined = f"<style>{styles}</style>\n" if found else ""
    return f"{first}{inlined}{_STYLE.sub('', rest)}"


def add_preloads(page: str, imports: Mapping[str, list[str]], language: str, *late: str) -> str:
    """Add links to what the page's modules import, and to `late` modules, after its script."""
    named = _MODULE.findall(page)
    found = _SCRIPT.search(page)
    if found is None:
        return page
    names = [each for each in _closure([*named, *late], imports, language) if each not in named]
    links = "".join(f'<link rel="modulepreload" href="/static/{name}">\n' for name in names)
    return f"{page[: found.end()]}{links}{page[found.end() :]}"


def _closure(names: list[str], imports: Mapping[str, list[str]], language: str) -> list[str]:
    """Return the modules and what they import, at any depth, in the order of discovery."""
    found = dict.fromkeys(names)
    waiting = list(names)
    while waiting:
        for each in imports.get(waiting.pop(0), []):
            name = each.replace(_LANGUAGE, language)
            if name not in found:
                found[name] = None
                waiting.append(name)
    return list(found)


def imports_of(script: str) -> list[str]:
    """Return the modules that a script imports, for `add_preloads`."""
    of_language = [f"{prefix}{_LANGUAGE}.js" for prefix in _IMPORT_OF_LANGUAGE.findall(script)]
    return [*_IMPORT.findall(script), *of_language]
