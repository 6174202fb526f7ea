"""Bodies that are not what they should be: every one of them a 4xx that says why."""

from __future__ import annotations

from decimal import Decimal

import pytest
import simplejson

from tests.api.conftest import V1, fields, problem

URL = f"{V1}/process-instances"


def post(api, text: str | bytes, **headers):
    return api.post(URL, text, content_type="application/json", **headers)


def with_value(value: str) -> str:
    return f'{{"process_id": "process", "variables": {{"a": {value}}}}}'


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "",
        "nonsense",
        '{"process_id": "a" "b"}',
        with_value("NaN"),
        with_value("Infinity"),
        with_value("-Infinity"),
        with_value("[" * 200 + "]" * 200),
        with_value("[" * 100_000 + "]" * 100_000),
        with_value('{"a":' * 5000 + "1" + "}" * 5000),
        with_value('"\\u0000"'),
        with_value('{"\\u0000": 1}'),
        with_value('"\\ud800"'),
        with_value('["\\udc00\\ud800"]'),
        with_value("1" * 1001),
        with_value("1" * 5000),
        with_value("1e5000"),
        with_value("1e-5000"),
        with_value("1e999999999999999999999"),
        with_value("1." + "1" * 5000),
        '{"process_id": "a", "process_id": "b"}',
        with_value('{"b": 1, "b": 2}'),
        with_value('"\x00"'),
        with_value('"\n"'),
        '{"process_id": "process"} x',
    ],
)
def test_malformed_json(api, one_task, text):
    if text == "":
        assert fields(problem(post(api, text), 400, "invalid"))
    else:
        body = problem(post(api, text), 400, "malformed-body")
        assert body["detail"].startswith("Expected ")
        assert len(body["detail"]) < 400


def test_bytes_that_are_not_utf8(api):
    problem(post(api, b'{"process_id": "\xff"}'), 400, "malformed-body")


@pytest.mark.parametrize("text", ["[]", '"a"', "1", "null", "true"])
def test_json_that_is_no_object(api, text):
    body = problem(post(api, text), 400, "invalid")
    assert body["errors"][0]["field"] == ""


def test_a_body_that_is_too_large(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    body = problem(post(api, with_value('"' + "x" * 1000 + '"')), 413, "body-too-large")
    assert "1000 bytes" in body["detail"]


@pytest.mark.parametrize("kind", ["application/xml", "multipart/form-data; boundary=x"])
def test_a_model_that_is_too_large(api, settings, kind):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    content = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 1000 + b"\r\n--x--"
    problem(api.post(f"{V1}/process-definitions", content, content_type=kind), 413, "body-too-large")


@pytest.mark.parametrize("content", [b"", b"--y", b"nonsense", b"--x\r\n\r\n\r\n--x--"])
def test_a_broken_form(api, content):
    answer = api.post(f"{V1}/process-definitions", content, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_a_form_without_a_boundary(api):
    problem(api.post(f"{V1}/process-definitions", b"x", content_type="multipart/form-data"), 400, "malformed-body")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/yaml", "x"])
def test_media_types_that_are_not_read(api, kind):
    problem(api.post(URL, b"a=b", content_type=kind), 415, "unsupported-media-type")


def test_a_format_that_is_not_written(api):
    problem(api.get(URL, HTTP_ACCEPT="text/html"), 406, "not-acceptable")


def test_names_that_are_not_known(api, one_task):
    body = problem(post(api, '{"process_id": "process", "bussiness_key": "k"}'), 400, "invalid")
    assert fields(body) == {"bussiness_key": "unknown-field"}


def test_every_field_is_named(api):
    body = problem(post(api, '{"process_id": 7.5, "variables": [1], "business_key": {}}'), 400, "invalid")
    assert fields(body) == {"process_id": "invalid", "variables": "invalid", "business_key": "invalid"}
    assert "(and 2 more)" in body["detail"]


@pytest.mark.parametrize("number", ["0.1", "1.10", "123456789012345678901234567890.123456789", "-0.0", "1E+2", "7"])
def test_numbers_keep_every_digit(api, one_task, number):
    answer = post(api, with_value(number))
    assert answer.status_code == 201, answer.content
    answer = api.get(f"{URL}/{answer.json()['id']}/variables")
    value = simplejson.loads(answer.content, use_decimal=True)["variables"]["a"]
    assert Decimal(value) == Decimal(number)
    assert str(value).lstrip("-") == str(Decimal(number)).lstrip("-") or "E" in number


def test_text_of_all_kinds_comes_back(api, one_task):
    value = {"a": 'ä€😀\u2028 "\\ \t\n', "": [], "b": [None, True, {"c": {}}]}
    answer = post(api, simplejson.dumps({"process_id": "process", "variables": value}))
    assert answer.status_code == 201
    assert api.get(f"{URL}/{answer.json()['id']}/variables").json()["variables"] == value
