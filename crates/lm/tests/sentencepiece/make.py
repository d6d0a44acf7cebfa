"""Makes tiny.model and tiny.jsonl: a SentencePiece BPE model and what SentencePiece itself says of some texts.

    pip install sentencepiece && python make.py

Like LLaMA's model it has a dummy prefix, byte fallback, split digits and no normalisation; unlike it, user-defined tokens.
"""

import io
import json
import random

import sentencepiece as spm

NAMES = "Ada Bela Carla Dario Emine Farid Greta Hugo Ines Jonas Keiko Luca".split()
THINGS = "apples pencils stamps marbles tickets candles bottles pebbles ribbons coins".split()
VERBS = "buys sells finds loses borrows paints counts carries".split()
TEXTS = [
    "", " ", "  ", "a", " a", "a ", "\n", "\n\n", "\t x", "Ada buys 12 apples.", "12345.678", "1,000,000", "-17 + 3.5 = ?",
    "  two  spaces  ", "naïve café", "日本語", "🙂🚀", "e\u0301", "\u00a0", "<s>", "</s> <unk>", "<0x41>", "<tool>", "a<tool>b <tool>",
    "don't", "▁", "a▁b", "▁ ▁", "\x00\x07", "\r\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaa", "ab" * 20, "    four", "x    y", "\n\n\n\n\n",
    "Ελλάδα", "שלום", "ß\u200bz", "Carla loses 7 candles and finds 3 coins.", "buysbuys buys", "Ada\nBela\n", "é" * 7,
]


def main():
    dice = random.Random(1)
    sentences = [
        f"{dice.choice(NAMES)} {dice.choice(VERBS)} {dice.randrange(2000)} {dice.choice(THINGS)} and "
        f"{dice.choice(VERBS)} {dice.randrange(90)} {dice.choice(THINGS)}; how many are left?"
        for _ in range(400)
    ]
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, model_type="bpe", vocab_size=420, byte_fallback=True,
        split_digits=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, user_defined_symbols=["<tool>", "\u2581\u2581\u2581\u2581", "\n\n"], minloglevel=2,
    )
    open("tiny.model", "wb").write(model.getvalue())
    processor = spm.SentencePieceProcessor(model_proto=model.getvalue())
    words = NAMES + THINGS + VERBS + ["", " ", "\n", "7", "42", "3.5", ",", "é", "中", "▁"]
    texts = TEXTS + ["".join(dice.choice(words) + dice.choice(["", " "]) for _ in range(dice.randrange(1, 30))) for _ in range(160)]
    with open("tiny.jsonl", "w") as out:
        for text in texts:
            out.write(json.dumps({"text": text, "ids": processor.encode(text)}, ensure_ascii=False) + "\n")


main()
