"""One's own records in a real browser: files, pasted values, and what is wrong with them."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import ANSWER, FAULT, at
from PIL import Image
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.browser
Bundles = Callable[[str], Path]


def picture(size: tuple[int, int] = (90, 60)) -> bytes:
    levels = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "PNG")
    return stream.getvalue()


def test_a_chosen_image_is_asked_about_at_once(browser: Browser, bundles: Bundles) -> None:
    with at(browser, bundles("fashion")) as visit:
        content = picture()
        chosen = {"name": "noise.png", "mimeType": "image/png", "buffer": content}
        visit.page.set_input_files("#field-image", [chosen])  # type: ignore[list-item]
        visit.page.wait_for_selector(ANSWER)

        (expected,) = visit.running.loaded.predictor.predict([content])
        assert visit.text(ANSWER).startswith(expected.label)
        # Noise is no piece of clothing.
        assert "Unlike" in visit.text("#answer .novelty")


def test_a_file_that_is_no_image_is_refused_in_the_services_words(browser: Browser, bundles: Bundles) -> None:
    with at(browser, bundles("fashion")) as visit:
        broken = {"name": "broken.png", "mimeType": "image/png", "buffer": b"no image"}
        visit.page.set_input_files("#field-image", [broken])  # type: ignore[list-item]
        visit.page.wait_for_selector(FAULT)

        answered = next(one for one in visit.requests if one.url.endswith("/v1/predict")).response()
        assert answered is not None
        assert answered.status == 422
        assert visit.text(FAULT) == " ".join(answered.json()["error"].split())
        assert visit.page.locator(ANSWER).count() == 0


def test_a_large_photo_is_made_smaller_before_it_is_sent(browser: Browser, bundles: Bundles) -> None:
    with at(browser, bundles("fashion")) as visit:
        photo = {"name": "photo.png", "mimeType": "image/png", "buffer": picture((2400, 1500))}
        visit.page.set_input_files("#field-image", [photo])  # type: ignore[list-item]
        visit.page.wait_for_selector(ANSWER)

        assert "made smaller for sending: 2048 by 1280 pixels" in visit.text(".drop")


def test_a_table_with_gaps_and_an_unknown_category(browser: Browser, bundles: Bundles) -> None:
    with at(browser, bundles("loans")) as visit:
        page = visit.page
        features = visit.running.loaded.predictor.manifest.input.features  # type: ignore[union-attr]
        number = next(one for one in features if one.kind == "number")
        category = next(one for one in features if one.kind != "number")
        page.get_by_label(number.name, exact=True).fill(str(number.high * 1000 + 1))
        page.get_by_label(category.name, exact=True).select_option(label="another value …")
        page.get_by_label(f"{category.name}, another value").fill("never-seen")
        page.click("#send")
        page.wait_for_selector(ANSWER)

        sent = next(one for one in visit.requests if one.url.endswith("/v1/predict")).post_data_json
        assert sent[category.name] == "never-seen"
        assert sum(value is not None for value in sent.values()) == 2
        (expected,) = visit.running.loaded.predictor.predict([sent])
        assert len(expected.warnings) >= 2
        assert page.locator("#answer .warnings li").count() == len(expected.warnings)
        assert "never-seen" in visit.text("#answer .warnings")


def test_a_text_in_a_number_is_refused_in_the_services_words(browser: Browser, bundles: Bundles) -> None:
    with at(browser, bundles("loans")) as visit:
        feature = next(one for one in visit.running.loaded.predictor.manifest.input.features if one.kind == "number")  # type: ignore[union-attr]
        visit.page.get_by_label(feature.name, exact=True).fill("ten")
        visit.page.click("#send")
        visit.page.wait_for_selector(FAULT)

        assert feature.name in visit.text(FAULT)
        assert "Traceback" not in visit.text(FAULT)


HOSTILE = '<img src=x onerror="alert(1)"> <script>alert(2)</script> cheap pills'


def test_a_hostile_text_is_shown_as_text(browser: Browser, bundles: Bundles) -> None:
    with at(browser, bundles("spam")) as visit:
        visit.page.get_by_label("text", exact=True).fill(HOSTILE)
        visit.page.click("#send")
        visit.page.wait_for_selector(ANSWER)
        visit.explain()

        assert visit.faults == []
        assert visit.page.locator("#explanation img, #explanation script").count() == 0


@pytest.mark.parametrize("form", ["pasted", "csv", "json", "rows"])
def test_a_series_comes_in_every_form(browser: Browser, bundles: Bundles, form: str) -> None:
    with at(browser, bundles("co2")) as visit:
        record = visit.running.example
        schema: Any = visit.running.loaded.predictor.manifest.input
        values, stamp = list(record[schema.column]), str(record[schema.time])
        values[3] = None
        days = [str(np.datetime64(stamp[:10]) - np.timedelta64(7 * back, "D")) for back in range(len(values))][::-1]
        page = visit.page
        if form == "pasted":
            page.get_by_label(schema.column, exact=True).fill(
                ", ".join("" if one is None else str(one) for one in values)
            )
            page.get_by_label(schema.time, exact=True).fill(stamp)
        else:
            name, content = {
                "csv": (
                    "mine.csv",
                    f"{schema.time},other,{schema.column}\n"
                    + "\n".join(f"{day},1,{'' if one is None else one}" for day, one in zip(days, values, strict=True)),
                ),
                "json": ("mine.json", json.dumps({schema.column: values, schema.time: stamp})),
                "rows": (
                    "mine.json",
                    json.dumps([{schema.time: day, schema.column: one} for day, one in zip(days, values, strict=True)]),
                ),
            }[form]
            page.set_input_files(
                "input[type=file]", [{"name": name, "mimeType": "text/plain", "buffer": content.encode()}]
            )  # type: ignore[list-item]
            expect(page.get_by_label(schema.time, exact=True)).not_to_have_value("")
        assert page.locator("#fields .plot path.past").count() == 1
        page.click("#send")
        page.wait_for_selector(ANSWER)

        sent = next(one for one in visit.requests if one.url.endswith("/v1/predict")).post_data_json
        assert sent[schema.column] == values
        assert sent[schema.time][:10] == stamp[:10]


def test_what_is_no_number_in_a_series_is_named(browser: Browser, bundles: Bundles) -> None:
    with at(browser, bundles("co2")) as visit:
        visit.page.get_by_label("series", exact=True).fill("1, 2, tree, 4")
        visit.page.click("#send")

        assert '"tree" is no number' in visit.text(FAULT)


def test_the_same_seed_makes_the_same_samples(browser: Browser, bundles: Bundles) -> None:
    with at(browser, bundles("fashion-gan")) as visit:
        made = []
        for seed in ("1", "1", "2"):
            visit.page.get_by_label("seed").fill(seed)
            with visit.page.expect_response("**/v1/predict/many"):
                visit.page.click("#send")
            expect(visit.page.locator("#answer")).not_to_have_attribute("aria-busy", "true")
            made.append(visit.see("[...document.querySelectorAll('#answer .samples img')].map((one) => one.src)"))
        assert made[0] == made[1]
        assert made[0] != made[2]
        visit.page.get_by_label("seed").fill("one")
        visit.page.click("#send")
        assert "whole number" in visit.text(FAULT)
