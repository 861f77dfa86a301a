"""CLIP's tokenizer: text to the numbers of its most frequent byte sequences.

References: Radford et al., Learning Transferable Visual Models From Natural Language
Supervision, ICML 2021; Sennrich et al., Neural Machine Translation of Rare Words with
Subword Units, ACL 2016.
"""

import functools
import gzip
import itertools
import json
import re
import sys
import unicodedata
from pathlib import Path

import numpy as np

from inpainting_zoo.errors import InputError, WeightsError

MERGES = Path(__file__).with_name("clip_merges.txt.gz")  # OpenAI, MIT licence
USED = 48_894  # of its lines, which come after a title
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
FILES = "vocab.json", "merges.txt"


class Tokenizer:
    """Byte-pair encoding of lower-cased words.

    Args:
        vocabulary: token -> number; tokens of bytes as `byte_characters` writes them,
            with `</w>` where a word ends.
        merges: pairs of tokens that become one, the most frequent first.
        pad: token that fills what a text leaves of its length.

    Raises:
        WeightsError: if one of the tokens that every text has is not in the vocabulary.
    """

    def __init__(self, vocabulary: dict, merges: list, pad: str = END):
        for token in (START, END, pad):
            if token not in vocabulary:
                raise WeightsError(f"tokenizer: must know {token!r}, which is missing")
        self.vocabulary, self.pad = vocabulary, pad
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}

    def ids(self, text: str) -> list:
        """Returns the numbers of a text's tokens, between those of start and end."""
        inner = [self.vocabulary[t] for word in words(text) for t in self.split(word)]
        return [self.vocabulary[START], *inner, self.vocabulary[END]]

    def __call__(self, text: str, length: int = 77):
        """Returns int32 (length,): a text's ids, cut before the end token, or padded.

        Args:
            text: any.
            length: at least 2.
        """
        *ids, end = self.ids(text)
        ids = [*ids[: length - 1], end]
        ids += [self.vocabulary[self.pad]] * (length - len(ids))
        return np.array(ids, "int32")

    def split(self, word: str) -> list:
        """Returns the tokens of a word, by merging its bytes pair by pair."""
        if word in (START, END):
            return [word]
        tokens = [byte_characters()[b] for b in word.encode("utf-8", "replace")]
        tokens[-1] += WORD_END
        while len(tokens) > 1:
            pairs = [*itertools.pairwise(tokens)]
            best = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if best not in self.ranks:
                break
            merged, i = [], 0
            while i < len(tokens):
                found = i < len(pairs) and pairs[i] == best
                merged.append("".join(best) if found else tokens[i])
                i += 1 + found
            tokens = merged
        return tokens


def words(text: str) -> list:
    """Returns a text's words, numerals and runs of signs, lower-cased.

    Letters are lower-cased one by one, as in the library that CLIP's users have.
    """
    text = "".join(c.lower() for c in unicodedata.normalize("NFC", text))
    return _pattern().findall(text)


@functools.cache
def _pattern():
    """Contractions, words, single numerals, runs of other signs; specials whole."""
    # What Python calls a letter may be a numeral, such as a Roman one.
    numerals = "".join(
        chr(i)
        for i in range(sys.maxunicode + 1)
        if unicodedata.category(chr(i)) in ("Nl", "No")
    )
    specials = "|".join(map(re.escape, (START, END)))
    return re.compile(
        rf"{specials}|'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_{numerals}]+|[\d{numerals}]"
        rf"|(?:[^\s\w]|_)+"
    )


@functools.cache
def byte_characters() -> list:
    """Returns the character that stands for each byte: itself where one can see it."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    unseen = (chr(256 + i) for i in itertools.count())
    return [chr(b) if b in visible else next(unseen) for b in range(256)]


@functools.cache
def clip_tokenizer(pad: str = END) -> Tokenizer:
    """Returns CLIP's own tokenizer, of 49,408 tokens."""
    lines = gzip.decompress(MERGES.read_bytes()).decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : 1 + USED]]
    visible = sorted(byte_characters(), key=lambda c: (ord(c) > 255, ord(c)))
    tokens = [*visible, *(c + WORD_END for c in visible), *map("".join, merges)]
    return Tokenizer({t: i for i, t in enumerate([*tokens, START, END])}, merges, pad)


def read_tokenizer(folder: str | Path, pad: str | None = None) -> Tokenizer:
    """Returns the tokenizer of a folder with vocab.json and merges.txt.

    Args:
        folder: also has the padding token in special_tokens_map.json, or else in
            tokenizer_config.json, or else it is the end token.
        pad: the padding token, if not the folder's.

    Raises:
        InputError: if one of the two files is missing.
        WeightsError: if one is damaged.
    """
    folder = Path(folder)
    for name in FILES:
        if not (folder / name).is_file():
            raise InputError(f"tokenizer: must hold {name}, received {str(folder)!r}")
    try:
        vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
        lines = (folder / "merges.txt").read_text("utf-8").split("\n")
        merges = [
            tuple(line.split())
            for line in lines
            if line.strip() and not line.startswith("#version")
        ]
        if not all(len(m) == 2 for m in merges):
            raise ValueError("a line of merges.txt is no pair")
        return Tokenizer(vocabulary, merges, pad or padding_of(folder))
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"tokenizer: {folder} is damaged ({error})") from error


def padding_of(folder: Path) -> str:
    """Returns the padding token of a tokenizer's folder; see `read_tokenizer`.

    Raises:
        WeightsError: if a file that would say it is damaged.
    """
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            continue
        try:
            found = json.loads((folder / name).read_text("utf-8")).get("pad_token")
            found = found["content"] if isinstance(found, dict) else found
        except (ValueError, KeyError, AttributeError) as error:
            raise WeightsError(
                f"tokenizer: {folder / name} must say a pad_token, received {error!r}"
            ) from error
        if found:
            return found
    return END
