"""Seals: what was closed opens as it was, under its label and key only."""

import builtins
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.core import Damaged, InvalidInput, MissingExtra
from onward.release._snapshots._seal import Plain, Secret, new_secret, unlock

KEY = Secret(b"k" * 32, b"n" * 32)
SEALS = st.sampled_from([Plain(), KEY])


@given(SEALS, st.binary(max_size=200), st.text(max_size=9), st.data())
def test_what_was_closed_opens_and_nothing_else(seal, data, label, draw):
    closed = seal.close(data, label)
    assert seal.open(closed, label) == data
    position = draw.draw(st.integers(0, len(closed) - 1))
    flipped = bytes([*closed[:position], closed[position] ^ 1, *closed[position + 1 :]])
    for torn, name in ((flipped, label), (closed[:position], label), (closed, label + "x")):
        with pytest.raises(Damaged):
            seal.open(torn, name)


@given(st.binary(max_size=200))
def test_names_tell_the_same_content_and_nothing_more(data):
    assert KEY.name(data) == KEY.name(data) != Plain().name(data)
    assert KEY.name(data) != Secret(KEY.key, b"m" * 32).name(data)
    assert KEY.close(data, "a") != KEY.close(data, "a")


def test_a_key_opens_with_its_passphrase_only():
    secret, lock = new_secret("correct horse")
    assert unlock(lock, "correct horse") == secret
    with pytest.raises(InvalidInput, match="does not open"):
        unlock(lock, "correct horse ")
    for broken in ({"cost": 2**30}, {"cost": 3}, {"salt": "x"}, {"wrapped": "zz"}):
        with pytest.raises(Damaged):
            unlock(replace(lock, **broken), "correct horse")
    with pytest.raises(InvalidInput):
        unlock(replace(lock, wrapped=""), "correct horse")


def test_without_cryptography_it_says_what_to_install(monkeypatch):
    imports = builtins.__import__

    def refuse(name, *rest, **more):
        if name.startswith("cryptography"):
            raise ImportError(name)
        return imports(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtra, match=r"onward\[encryption\]"):
        new_secret("word")


def test_no_key_is_ever_shown():
    secret, _ = new_secret("word")
    shown = repr(secret)
    assert repr(secret.key) not in shown
    assert repr(secret.naming) not in shown


def test_a_passphrase_of_bytes_that_are_no_text():
    word = b"\xff\xfeword".decode(errors="surrogateescape")
    secret, lock = new_secret(word)
    assert unlock(lock, word) == secret
    with pytest.raises(InvalidInput, match="no text"):
        new_secret("\ud800")
