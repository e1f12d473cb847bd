"""Captions and questions are true, and relevance is exact."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from goldieval.data.shapes.foils import foils
from goldieval.data.shapes.language import long_caption, object_sentences, short_captions, unique_reference
from goldieval.data.shapes.meaning import (
    ATTRIBUTES,
    QUESTION_TYPES,
    ObjectDescription,
    Relation,
    SceneQuery,
    SceneQuestion,
)
from goldieval.data.shapes.phrases import a, each_with_article, joined
from goldieval.data.shapes.questions import TEMPLATES, questions
from goldieval.data.shapes.relevance import answer, relevant, satisfies
from goldieval.data.shapes.world import HELD_OUT, PLACES, Background, Obj, Scene, sample_scene

SCENES = [sample_scene("test", index) for index in range(300)]
TRAIN = [sample_scene("train", index) for index in range(300)]


def scene_of(*objects: tuple[str, str, str, str, str]) -> Scene:
    made = tuple(Obj(*words[:4], cell=PLACES.index(words[4]), dx=0, dy=0) for words in objects)
    return Scene("test", "scene", 0, 0, made, Background("grey", "plain"))


RED_STAR = ("star", "red", "small", "solid", "top left")
BLUE_STAR = ("star", "blue", "large", "solid", "bottom left")
RED_MOON = ("moon", "red", "small", "striped", "bottom right")
KNOWN = scene_of(RED_STAR, BLUE_STAR, RED_MOON)

STAR, MOON, RED = ObjectDescription(shape="star"), ObjectDescription(shape="moon"), ObjectDescription(colour="red")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (SceneQuery(), True),
        (SceneQuery((STAR,)), True),
        (SceneQuery((STAR, STAR)), True),
        (SceneQuery((STAR, STAR, STAR)), False),  # distinct objects for distinct mentions
        (SceneQuery((RED, STAR)), True),
        (SceneQuery((MOON, RED, STAR)), True),  # red must be the star then, and star the blue one
        (SceneQuery((MOON, RED, ObjectDescription(shape="star", colour="red"))), False),
        (SceneQuery((ObjectDescription(shape="star", fill="striped"),)), False),
        (SceneQuery((STAR, MOON), (Relation(0, "left of", 1),)), True),
        (SceneQuery((STAR, MOON), (Relation(1, "left of", 0),)), False),
        (SceneQuery((STAR, MOON), (Relation(0, "above", 1),)), True),  # true of the red star only
        (SceneQuery((ObjectDescription(colour="blue"), MOON), (Relation(0, "above", 1),)), False),  # same row
        (SceneQuery((ObjectDescription(colour="blue"), STAR), (Relation(0, "left of", 1),)), False),  # same column
        (SceneQuery((ObjectDescription(colour="blue"), STAR), (Relation(0, "below", 1),)), True),
        (SceneQuery(background=Background("grey", "plain")), True),
        (SceneQuery(background=Background("grey", "striped")), False),
        (SceneQuery((STAR,) * 6), False),
    ],
)
def test_relevance_on_a_known_scene(query: SceneQuery, expected: bool) -> None:
    assert satisfies(query, KNOWN) == expected
    assert relevant([query], [KNOWN]).tolist() == [[0, 0]] * expected


def test_relevance_on_arrays_equals_the_plain_definition() -> None:
    captions = [caption for s in SCENES[:100] for caption in (*short_captions(s, 2), *long_caption(s)[:3])]
    vague = [SceneQuery((STAR, ObjectDescription(), RED), (Relation(2, "above", 0), Relation(0, "left of", 1)))]
    vague += [SceneQuery((ObjectDescription(),) * number) for number in range(7)]
    queries = [query for _, query in captions] + vague
    expected = [(q, s) for q, query in enumerate(queries) for s, scene in enumerate(SCENES) if satisfies(query, scene)]
    assert relevant(queries, SCENES).tolist() == [list(pair) for pair in expected]
    assert len(expected) > 3 * len(queries)


def test_relevance_of_nothing() -> None:
    assert relevant([], SCENES).shape == (0, 2)
    assert relevant([SceneQuery((STAR,))], []).shape == (0, 2)


def test_every_caption_is_true_of_its_own_scene() -> None:
    for scene in SCENES + TRAIN:
        for text, query in (*short_captions(scene, 4), *long_caption(scene), *object_sentences(scene)):
            assert satisfies(query, scene), f"{scene.id}: {text}"


def test_a_perfect_model_reaches_the_ceiling() -> None:
    """With scores equal to relevance, every caption ranks a positive first, and every scene one of its captions."""
    captions = [query for scene in SCENES for _, query in short_captions(scene, 2)]
    scores = np.zeros((len(captions), len(SCENES)))
    positives = relevant(captions, SCENES)
    scores[positives[:, 0], positives[:, 1]] = 1
    own = np.repeat(np.arange(len(SCENES)), 2)
    assert (scores[np.arange(len(captions)), own] == 1).all()
    assert all(satisfies(captions[text], SCENES[best]) for text, best in enumerate(scores.argmax(axis=1)))
    assert all(satisfies(captions[best], SCENES[image]) for image, best in enumerate(scores.argmax(axis=0)))
    assert 1 <= np.median(scores.sum(axis=1)) <= 3  # selective, but not without ambiguity
    assert scores.sum() > 1.3 * len(captions)


def test_short_captions_vary_and_do_not_depend_on_their_number() -> None:
    captions = [short_captions(scene, 4) for scene in SCENES]
    assert [short_captions(scene, 2) for scene in SCENES] == [own[:2] for own in captions]
    repeated = sum(len({text for text, _ in own}) < 4 for own in captions)
    assert repeated <= 3
    mentioned = Counter(len(query.objects) for own in captions for _, query in own)
    assert sorted(mentioned) == [1, 2, 3] and mentioned[2] + mentioned[3] > mentioned[1]
    assert {r.name for own in captions for _, q in own for r in q.relations} == {
        "left of",
        "right of",
        "above",
        "below",
    }


def test_a_caption_mentions_everything_in_its_query() -> None:
    for text, query in (caption for scene in SCENES for caption in short_captions(scene, 2)):
        words = [word for one in query.objects for word in (one.shape, one.colour, one.place) if word]
        assert all(text.count(word) >= words.count(word) for word in words), text


def test_long_caption_says_everything() -> None:
    for scene in SCENES[:100]:
        queries = [query for _, query in long_caption(scene)]
        mentioned = {query.objects[0] for query in queries if len(query.objects) == 1}
        assert mentioned == {
            ObjectDescription(**{name: getattr(obj, name) for name in ATTRIBUTES}) for obj in scene.objects
        }
        assert sum(len(query.relations) for query in queries) == len(scene.objects) - 1
        assert [query.background for query in queries if query.background] == [scene.background]
        assert all(text[0].isupper() and text.endswith(".") for text, _ in long_caption(scene))


def test_object_sentences_follow_the_scene() -> None:
    for scene in SCENES[:100]:
        sentences = object_sentences(scene)
        assert len(sentences) == len(scene.objects)
        assert all(q.objects[0].fits(obj) for (_, q), obj in zip(sentences, scene.objects, strict=True))


def test_unique_reference_is_minimal() -> None:
    twins = scene_of(RED_STAR, ("star", "red", "small", "solid", "centre"), RED_MOON)
    assert unique_reference(twins, twins.objects[2]) == ObjectDescription(shape="moon", colour="red")
    assert unique_reference(twins, twins.objects[0]).place == "top left"


def test_articles_and_lists() -> None:
    assert a("orange star") == "an orange star" and a("red star") == "a red star"
    assert each_with_article([STAR, MOON, STAR], ["star", "moon", "star"]) == ["a star", "a moon", "another star"]
    assert [joined(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


ANSWERS = [
    (SceneQuestion("colour", MOON), "red"),
    (SceneQuestion("colour", STAR), None),  # two stars
    (SceneQuestion("colour", ObjectDescription(shape="heart")), None),  # none
    (SceneQuestion("shape", ObjectDescription(colour="blue")), "star"),
    (SceneQuestion("size", MOON), "small"),
    (SceneQuestion("fill", MOON), "striped"),
    (SceneQuestion("place", ObjectDescription(colour="blue")), "bottom left"),
    (SceneQuestion("count", STAR), "2"),
    (SceneQuestion("count", ObjectDescription(shape="heart")), "0"),
    (SceneQuestion("existence", ObjectDescription(colour="blue", shape="moon")), "no"),
    (SceneQuestion("existence", MOON), "yes"),
    (SceneQuestion("relation", MOON, "right of", ObjectDescription(colour="blue")), "yes"),
    (SceneQuestion("relation", MOON, "above", ObjectDescription(colour="blue")), "no"),
    (SceneQuestion("relation", STAR, "left of", MOON), None),
    (SceneQuestion("relation", MOON, "left of", ObjectDescription(fill="striped")), None),  # the same object twice
]


@pytest.mark.parametrize(("meaning", "expected"), ANSWERS)
def test_answers_on_a_known_scene(meaning: SceneQuestion, expected: str | None) -> None:
    assert answer(meaning, KNOWN) == expected


def test_a_question_has_the_answer_that_executing_it_gives() -> None:
    for scene in SCENES + TRAIN:
        asked = questions(scene, 9)
        assert asked == questions(scene, 9)
        assert len(asked) == 9
        assert len({question.id for question in asked}) == len({question.meaning for question in asked}) == 9
        for question in asked:
            assert question.answer == answer(question.meaning, scene), question
            assert question.type == question.meaning.type


def test_questions_depend_on_the_picture() -> None:
    """Every type occurs, and none has an answer so frequent that the image is not needed."""
    asked = [question for scene in SCENES for question in questions(scene, 9)]
    for type in QUESTION_TYPES:
        replies = Counter(question.answer for question in asked if question.type == type)
        assert replies.total() > 150
        assert replies.most_common(1)[0][1] < 0.66 * replies.total(), (type, replies)


def test_held_out_phrasings_occur_in_test_only() -> None:
    held_out = {f"{type}-{len(templates) - 1}" for type, templates in TEMPLATES.items()}
    assert set(TEMPLATES) == set(QUESTION_TYPES)
    train = [question for scene in TRAIN for question in questions(scene, 9)]
    test = [question for scene in SCENES for question in questions(scene, 9)]
    assert not held_out & {question.template for question in train}
    assert not any(question.held_out for question in train)
    assert {question.template for question in test if question.held_out} == held_out
    assert not held_out & {question.template for question in test if not question.held_out}
    openings = {TEMPLATES[type][-1].split("{")[0] for type in TEMPLATES}
    assert not any(question.text.startswith(opening) for question in train for opening in openings)


def test_held_out_phrasings_use_only_words_of_the_train_split() -> None:
    words = [
        (set(re.findall("[a-z]+", text.lower())), index)
        for texts in TEMPLATES.values()
        for index, text in enumerate(texts)
    ]
    shown = set().union(*(some for some, index in words if index < 3))
    assert all(some <= shown for some, _ in words)


def test_foils_are_one_true_caption_and_false_ones() -> None:
    groups = [(scene, group) for scene in TRAIN for group in foils(scene)]
    assert len(groups) > len(TRAIN)
    for scene, group in groups:
        assert [satisfies(query, scene) for _, query in group] == [True, *[False] * (len(group) - 1)]
        assert len({text for text, _ in group}) == len(group) >= 2


def test_train_texts_never_name_a_held_out_pair() -> None:
    named = [one for scene in TRAIN for q in questions(scene, 9) for one in (q.meaning.subject, q.meaning.other) if one]
    named += [one for scene in TRAIN for _, query in short_captions(scene, 4) for one in query.objects]
    named += [one for scene in TRAIN for group in foils(scene) for _, query in group for one in query.objects]
    assert not {(one.colour, one.shape) for one in named} & HELD_OUT


def test_relevance_does_not_depend_on_the_order_of_objects() -> None:
    queries = [query for scene in SCENES[:50] for _, query in short_captions(scene, 2)]
    turned = [replace(scene, objects=scene.objects[::-1]) for scene in SCENES]
    assert np.array_equal(relevant(queries, SCENES), relevant(queries, turned))
    for order in itertools.permutations(KNOWN.objects):
        assert satisfies(SceneQuery((MOON, RED, STAR)), replace(KNOWN, objects=order))
