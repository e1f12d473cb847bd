"""Questions with true and given answers as people and language models write them, drawn from a seed.

Nothing is taken from a data set. The words are chosen so that every step of the known rules has something to do:
punctuation, articles, contractions with and without apostrophe, number words, digits with commas and points, white
space, case, characters beyond ASCII, options by letter, sentences around a short answer, nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any


def _parts(text: str) -> list[str]:
    """Return what stands between bars and line breaks; a line break itself is written as in Python."""
    return [
        part.replace("\\n", "\n").replace("\\t", "\t") for line in text.split("\n") for part in line.split("|") if part
    ]


WORDS = _parts("""
yes|no|red|white|blue|cat|dog|cats|man|woman|boy|people|person|train|bus|tennis|frisbee|surfing|skateboard|pizza
banana|bananas|apple|broccoli|kitchen|bathroom|outside|left|right|night|noon|winter|wood|metal|brick|grass
none|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twenty|unanswerable|unsuitable
nike|coca cola|pepsi|dell|nokia|samsung|google|london|paris|new york|stop|exit|0|1|2|3|7|10|12|100|1000|2008
""")

PHRASES = _parts("""
t-shirt|stop sign|fire hydrant|baseball bat|black/white|black & white|red, white and blue|it's raining|its raining
don't know|dont know|can't tell|cant tell|couldn't've|couldntve|i'm not sure|im not sure|let's go|lets go
they're playing|theyre playing|what's that|whats that|y'all|yall|o'clock|5 o'clock|5 oclock|10:30|10:30 pm|7:05am
$5.99|$1,000|1,000|12,345,678|1,2|3.5|.5|0.50|2.0 liters|50%|100 percent|st. louis|mr. smith|u.s.a.|e.g. this
www.example.com|info@example.org|#1|no. 7|number seven|one hundred|twenty-one|a|an|the|the a an|the beach|a dog
an apple|on the left|in a box|"hello"|'hello'|(yes)|[no]|{maybe}|yes/no|yes; no|what?|really?!|50-50|a+|c++|<b>|>
not visible|nothing|no one|nobody's|somebody's|someones|the man's|mans|men's room|dog's bowl|dogs' bowl|james' hat
somebody'd|somebodyd|couldnt've|whos there|wheres it|thats all|Im here|Ive seen|Id've gone|maam|twas|shouldnt|wont
café|cafe|naïve|jalapeño|日本|中文 字|ﬁsh|straße|STRASSE|ΟΔΟΣ|１２|½|10°|5€|“quoted”|it’s|don’t|–|…|a dog
two​cats|éclair|🐶|🐶 dog|A|B|C|D|E|F|Option A|(B)|C.|D)|answer: A|the answer is B|The answer is C.
The answer is A. The answer is B.|A. a red cat|B. yes|e. none|Z. nothing|none of the above
""")

SENTENCES = _parts(r"""
The answer is {a}.|{a}.|{a}. The picture shows it clearly.|I think it is {a}|It's {a}, I believe.|Yes, {a}|No, {a}
No. {a}|Not {a}|There is no {a} in the image.|There are not any {a}|{a}\nExplanation: the {a} is there|{a}\t
In this image, you can see a person who is holding {a}, and next to the person there is a table, and two chairs.
{a}, {a} and {a}|"{a}"|({a})|{a}?|{a}!|**{a}**|Answer: {a}|{a}/{a}|the {a}|a {a}|{a} the|{a}..|..{a}|{a}, |,{a}
""")

EDGES = ["", " ", "\n", "\t\n ", ".", "...", ",", "?!", "-", "a", "the", "." * 40 + "x", ". " * 40, "," * 5, "\\"]

NUMBERS = _parts("zero|one|two|three|four|five|six|seven|eight|nine|ten")

YES_OR_NO = _parts(r"""
yes|no|Yes|No|YES|NO|yes.|No.|y|n|Y|N|yes,|no,|nope|yeah|nothing|not|none|know|another|unknown|n o| no| Yes |no\nyes
No, there is no dog.|Yes, there is a dog.|There is not.|There is a dog. No cat.|It is not|I know|Yes and no|no-one
cannot say|Not sure|a no|ye|Y.|N.|...yes|.no|y es|yes\n|\tno|No!|“no”|Yes: it is|NO.|no; yes|not yes
""")

LETTERS = _parts(r"""
{l}|{l}.|{l}. {o}|{l}) {o}|({l})|The answer is {l}.|The answer is {l}|{l} |\n{l}|{l}.{o}|{o}|{l}\n{o}|{l}: {o}
The answer is {l}. The answer is A.|the answer is {l}.|The answer is {l}, {o}|Option {l}|F|F. six|É. x|{l}{l}|{l},
The answer is {l}. I think The answer is {l}.|The answer is {l}).|So The answer is {l}. {o}
""")


def _in_digits(word: str) -> str:
    return str(NUMBERS.index(word)) if word in NUMBERS else word


def _in_words(word: str) -> str:
    return NUMBERS[int(word)] if word.isdigit() and word.isascii() and int(word) < len(NUMBERS) else word


def _number(drawn: Random, text: str) -> str:
    """Write number words as digits, or digits as words."""
    return " ".join(map(drawn.choice([_in_digits, _in_words]), text.split(" ")))


def _inserted(drawn: Random, text: str) -> str:
    """Put a mark somewhere into the text, with a space before or after it or without."""
    place, mark = drawn.randint(0, len(text)), drawn.choice(list(";/[]\"{}()=+\\_-><@`,?!.:'’%$&*#|~ \t\n\u00a0"))
    return text[:place] + drawn.choice(["", " "]) + mark + drawn.choice(["", " "]) + text[place:]


ALTERATIONS: list[Callable[[Random, str], str]] = [
    lambda drawn, text: text.upper(),
    lambda drawn, text: text.title(),
    lambda drawn, text: text.capitalize(),
    lambda drawn, text: text + drawn.choice([".", ",", "!", "?", " .", "..", ";", "'s", "s", " the", "\n"]),
    lambda drawn, text: drawn.choice(["a ", "an ", "The ", "the a ", " ", "\n", "(", '"', "-", "."]) + text,
    lambda drawn, text: text.replace("'", ""),
    lambda drawn, text: text.replace("'", "’"),
    lambda drawn, text: text.replace(" ", drawn.choice(["  ", "-", "_", ", ", "\t", "\u00a0", ""])),
    lambda drawn, text: drawn.choice(SENTENCES).replace("{a}", text),
    lambda drawn, text: f"{text} {drawn.choice(WORDS)}",
    _number,
    _inserted,
]


def short_answer(drawn: Random) -> str:
    """Draw one short answer as an annotator writes it."""
    kind = drawn.random()
    if kind < 0.45:
        return drawn.choice(WORDS)
    if kind < 0.85:
        return drawn.choice(PHRASES)
    return " ".join(drawn.choices(WORDS, k=drawn.randint(2, 4)))


def altered(drawn: Random, text: str, most: int = 2) -> str:
    """Write an answer in another way, which a rule may or may not regard as the same."""
    for _ in range(drawn.randint(0, most)):
        text = drawn.choice(ALTERATIONS)(drawn, text)
    return text


def given_to(drawn: Random, truths: list[str]) -> str:
    """Draw what a model answers: often a true answer in another form."""
    kind = drawn.random()
    if kind < 0.03:
        return drawn.choice(EDGES)
    return altered(drawn, drawn.choice(truths) if kind < 0.8 else short_answer(drawn), 3)


def ten_answers(drawn: Random, annotators: int = 10) -> list[str]:
    """Draw the answers of annotators, who agree more or less."""
    pool = [short_answer(drawn) for _ in range(drawn.choice([1, 1, 2, 3, 5]))]
    if drawn.random() < 0.15:
        return [pool[0]] * annotators  # all the same to the last character
    most = drawn.choice([0, 1, 2])
    return [altered(drawn, drawn.choice(pool), most) for _ in range(annotators)]


def questions_with_ten_answers(count: int, seed: int) -> list[dict[str, Any]]:
    """Return questions with ``truths``, ten answers, and ``given``, as in VQAv2, VizWiz and TextVQA."""
    drawn = Random(f"ten {seed}")
    drawn_answers = [ten_answers(drawn) for _ in range(count)]
    return [{"truths": truths, "given": given_to(drawn, truths)} for truths in drawn_answers]


def questions_with_one_answer(count: int, seed: int) -> list[dict[str, Any]]:
    """Return questions with ``truths``, one answer in lower case, and ``given``, as in GQA."""
    drawn = Random(f"one {seed}")
    drawn_answers = [[short_answer(drawn).lower()] for _ in range(count)]
    return [{"truths": truths, "given": given_to(drawn, truths)} for truths in drawn_answers]


def questions_with_options(count: int, seed: int) -> list[dict[str, Any]]:
    """Return questions with ``options``, the index ``right`` of the true one, and ``given``, as in ScienceQA."""
    drawn = Random(f"options {seed}")
    return [_question_with_options(drawn) for _ in range(count)]


def _question_with_options(drawn: Random) -> dict[str, Any]:
    options = [short_answer(drawn) for _ in range(drawn.randint(2, 5))]
    right = drawn.randrange(len(options))
    letter = "ABCDE"[right] if drawn.random() < 0.6 else drawn.choice("ABCDE")
    form = drawn.choice(LETTERS) if drawn.random() < 0.85 else altered(drawn, drawn.choice(LETTERS))
    letter = letter.lower() if drawn.random() < 0.15 else letter
    given = form.replace("{l}", letter).replace("{o}", drawn.choice(options))
    return {"options": options, "right": right, "given": given}


def yes_no_questions(count: int, seed: int) -> list[dict[str, Any]]:
    """Return questions with ``truths``, yes or no, and ``given``, as in POPE; two of a picture follow as in MME."""
    drawn = Random(f"yes-no {seed}")
    return [{"truths": [drawn.choice(["yes", "no"])], "given": _yes_or_no(drawn)} for _ in range(count)]


def _yes_or_no(drawn: Random) -> str:
    kind = drawn.random()
    if kind < 0.4:
        return drawn.choice(["yes", "no", "Yes", "No"])
    return altered(drawn, drawn.choice(YES_OR_NO) if kind < 0.95 else short_answer(drawn), 1)


def questions(count: int, seed: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Return so many questions of every kind. Answers have no white space around them, as programs write them."""
    drawn = {
        "ten": questions_with_ten_answers(count, seed),
        "one": questions_with_one_answer(count, seed),
        "options": questions_with_options(count, seed),
        "yes-no": yes_no_questions(count, seed),
    }
    return {kind: [item | {"given": item["given"].strip()} for item in items] for kind, items in drawn.items()}
