"""Reads an OpenAPI document."""

import yaml

METHODS = ("get", "post", "put", "delete")
CLIENTS = "docs/openapi.yaml"
ADMIN = "docs/openapi-admin.yaml"


class Document:
    """An OpenAPI document, with references resolved on access."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        self.raw = yaml.safe_load(self.text)

    def resolve(self, value):
        """Returns what a reference to a component points to, or the value itself."""
        while isinstance(value, dict) and "$ref" in value:
            kind, name = value["$ref"].removeprefix("#/components/").split("/")
            value = self.raw["components"][kind][name]
        return value

    def operations(self):
        """Returns the path, the method and the operation of each operation."""
        for path, item in self.raw["paths"].items():
            for method in METHODS:
                if method in item:
                    yield path, method.upper(), item[method]

    def parameters(self, path, operation):
        """Returns the parameters of an operation, those of its path first."""
        listed = self.raw["paths"][path].get("parameters", []) + operation.get("parameters", [])
        return [self.resolve(parameter) for parameter in listed]

    def responses(self, operation):
        """Returns the status and the response of each response of an operation."""
        return {status: self.resolve(response) for status, response in operation["responses"].items()}


def examples(content):
    """Returns the examples of a body."""
    if "example" in content:
        return [content["example"]]
    return [example["value"] for example in content.get("examples", {}).values()]
