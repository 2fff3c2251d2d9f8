"""The document is made of the table that answers: every path is in it, every body has its schema, and it is valid."""

import pytest

METHODS = {"get", "post"}


@pytest.fixture(scope="module")
def document(tiny):
    return tiny.ask("GET", "/openapi.json").json


def test_every_path_of_the_document_is_answered(tiny, document):
    for path, operations in document["paths"].items():
        there = path.replace("{model}", "tiny").replace("{name}", "none")
        for method in METHODS:
            answer = tiny.ask(method.upper(), there, {} if method == "post" else None)
            assert (answer.status == 405) == (method not in operations), (method, path)
            assert answer.status == 405 or str(answer.status) in operations[method]["responses"]


def test_operations_have_names_of_their_own(document):
    names = [one["operationId"] for operations in document["paths"].values() for one in operations.values()]
    assert len(set(names)) == len(names) >= 15


def test_every_reference_leads_somewhere(document):
    def references(content):
        if isinstance(content, dict):
            yield from [content["$ref"]] if "$ref" in content else []
            content = list(content.values())
        for one in content if isinstance(content, list) else ():
            yield from references(one)

    found = set(references(document))
    assert found
    for reference in found:
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_a_body_is_described_as_it_is_read(document):
    for path, operations in document["paths"].items():
        assert ("post" in operations) == ("requestBody" in operations.get("post", {})), path
    schema = document["components"]["schemas"]["NextRequest"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["temperature"]["default"] == 1.0
