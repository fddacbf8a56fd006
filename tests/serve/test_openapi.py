"""The description is valid, complete and true."""

import pytest
from demo_feeds import BARS, NOTES, Note
from filled_store import bar
from openapi_spec_validator import OpenAPIV31SpecValidator

from catchment.store.query import PARAMETERS, fits, parse

pytestmark = pytest.mark.once  # both engines are asked by catchment.testing.promises


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


def test_the_document_is_valid(document):
    assert document["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("collection", [BARS, NOTES], ids=lambda item: item.name)
def test_the_parser_takes_every_example_and_knows_no_more(document, collection):
    listed = [
        item for item in document["paths"][f"/v1/{collection.name}"]["get"]["parameters"] if item["in"] == "query"
    ]
    expected = {f"{column.name}{operator.suffix}" for column in collection.columns for operator in fits(column)}
    assert {item["name"] for item in listed} == expected | set(PARAMETERS)
    for item in listed:
        if "example" in item:
            parse([(item["name"], written(item["example"]))], collection.columns)
    assert all(item["description"] for item in listed)


def written(example) -> str:
    if isinstance(example, list):
        return ",".join(map(written, example))
    return str(example).lower() if isinstance(example, bool) else str(example)


def test_an_answer_is_as_described(document, store, client):
    store.put(BARS, bar("IBM", "2026-01-02"))
    operation = document["paths"]["/v1/demo/bars"]["get"]["responses"]["200"]
    answer = client.get("/v1/demo/bars")
    meta = operation["content"]["application/json"]["schema"]["properties"]["meta"]
    assert set(answer.json()["meta"]) == set(meta["required"])
    fields = document["components"]["schemas"]["demo_bars"]["properties"]
    assert set(answer.json()["data"][0]) == set(fields)
    described = {name.lower() for name in operation["headers"]} - {"link"}
    assert described <= set(answer.headers)


NEEDED = {"partitions": "?collection=demo/bars", "diff": "?from=1"}


def test_every_path_answers(document, store, client):
    key = store.put(BARS, bar("IBM", "2026-01-02"))
    for path in document["paths"]:
        if "notes/{key}" in path:
            continue
        target = path.replace("{key}", key) + NEEDED.get(path.rpartition("/")[2], "")
        assert client.get(target).status_code == 200, path


def test_every_example_is_answered(store, client, document):
    """Each parameter's example by itself, beside what the operation does not answer without."""
    said = {"said_at": "2024-01-01T00:00:00.000000Z"}  # before the moments of the examples
    store.put(BARS, bar("IBM", "2026-01-02"), **said)
    store.put(BARS, bar("IBM", "2026-01-02", "5"), **said)
    store.put(NOTES, Note("a red fox", 1.5, True, None, ["a"]), **said)
    tried = 0
    for path, operations in document["paths"].items():
        parameters = operations["get"]["parameters"]
        needed = {item["name"]: item["example"] for item in parameters if item["in"] == "query" and item["required"]}
        url, collection = path, "/".join(path.split("/")[:4])
        if "{key}" in path:
            url = path.replace("{key}", client.get(collection).json()["data"][0]["_key"])
        for item in parameters:
            if item["in"] == "query" and "example" in item:
                asked = {name: written(example) for name, example in (needed | {item["name"]: item["example"]}).items()}
                answer = client.get(url, params=asked)
                assert answer.status_code == 200, (url, asked, answer.text)
                tried += 1
    assert tried > 50
