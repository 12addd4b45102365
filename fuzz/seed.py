#!/usr/bin/env python3
"""Fills fuzz/corpus/ from the tokens and keys of the test corpus and from fuzz/seeds/."""
import json
import shutil
from pathlib import Path

here = Path(__file__).resolve().parent
corpus = json.loads((here.parent / "tests/fixtures/jwt/corpus.json").read_text())
for target in ("token", "header", "keys", "discovery"):
    (here / "corpus" / target).mkdir(parents=True, exist_ok=True)
    for seed in (here / "seeds" / target).glob("*"):
        shutil.copy(seed, here / "corpus" / target / seed.name)
for number, token in enumerate(corpus["tokens"]):
    (here / "corpus/token" / f"corpus-{number}").write_text(token["token"])
    if number % 20 == 0:
        (here / "corpus/header" / f"corpus-{number}").write_text("Bearer " + token["token"].replace("\n", ""))
(here / "corpus/keys/corpus").write_text(json.dumps(corpus["keys"]))
