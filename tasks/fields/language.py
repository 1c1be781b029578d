"""The language a text is written in, from its script and its most frequent words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache

from tasks.fields.lexicon import fold, stopwords

_ENOUGH = 6_000  # characters looked at
_WORDS = re.compile(r"[^\s\d.,;:!?()\[\]{}\"“”„«»/|·•…–—<>=]+")
_SCRIPTS = {
    "ja": re.compile(r"[\u3040-\u30ff]"),
    "ko": re.compile(r"[\uac00-\ud7af]"),
    "zh": re.compile(r"[\u4e00-\u9fff]"),
    "el": re.compile(r"[\u0370-\u03ff]"),
    "he": re.compile(r"[\u0590-\u05ff]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
    "bn": re.compile(r"[\u0980-\u09ff]"),
    "ta": re.compile(r"[\u0b80-\u0bff]"),
    "te": re.compile(r"[\u0c00-\u0c7f]"),
    "ka": re.compile(r"[\u10a0-\u10ff]"),
    "hy": re.compile(r"[\u0530-\u058f]"),
}

_FOREIGN = {  # letters that a language does not write
    "ru": re.compile(r"[іїєґ]"),
    "uk": re.compile(r"[ыэъё]"),
    "bg": re.compile(r"[ыэіїєё]"),
}


def detect_language(text: str) -> str | None:
    """ISO 639-1 code of a text's language; None where it is too short or no language stands out."""
    sample = text[:_ENOUGH]
    letters = sum(letter.isalpha() for letter in sample)
    if letters < 12:
        return None
    for language, script in _SCRIPTS.items():
        share = len(script.findall(sample)) / letters
        if share > (0.08 if language == "ja" else 0.3):
            return language
    counts = Counter(fold(word) for word in _WORDS.findall(sample))
    total = sum(counts.values())
    scores = {
        language: sum(counts[word] * weight for word, weight in frequent.items() if word in counts) / total
        for language, frequent in _weights().items()
    }
    for language, foreign in _FOREIGN.items():
        if len(foreign.findall(sample)) > 0.005 * letters:
            scores[language] = 0.0
    best, score = max(scores.items(), key=lambda item: item[1])
    return best if score >= _LEAST else None


_LEAST = 0.03


@cache
def _weights() -> Mapping[str, Mapping[str, float]]:
    """Language → frequent word → how much it tells: a word of many languages tells little."""
    table = stopwords()
    shared = Counter(word for frequent in table.values() for word in frequent)
    return {name: {word: shared[word] ** -_SHARED for word in frequent} for name, frequent in table.items()}


_SHARED = 0.5
