#!/usr/bin/env python3
"""Cuts the OpenAPI documents of Kubernetes down to what the local cluster serves.

The source is the Go module k8s.io/kubernetes, fetched through the Go module proxy:

    python3 local-cluster/openapi/generate.py            # writes kubernetes.json.gz
    python3 local-cluster/openapi/generate.py --check    # fails when the file is stale

Kept are the paths of the resources that the server has (and of no other), every schema that
these paths or the listed kinds reach, and all x-kubernetes extensions. Content types other
than JSON and YAML go, because the server speaks JSON only.
"""

import argparse
import gzip
import json
import pathlib
import re
import subprocess
import sys

VERSION = "v1.33.5"
HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "kubernetes.json.gz"
REF = "#/components/schemas/"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."

# Group version -> resources and subresources that are served.
SERVED = {
    "api/v1": [
        "configmaps", "events", "namespaces", "namespaces/status", "nodes", "nodes/status",
        "persistentvolumeclaims", "persistentvolumeclaims/status", "persistentvolumes",
        "persistentvolumes/status", "pods", "pods/binding", "pods/eviction", "pods/log",
        "pods/status", "secrets", "serviceaccounts",
    ],
    "apis/apiextensions.k8s.io/v1": ["customresourcedefinitions", "customresourcedefinitions/status"],
    "apis/authentication.k8s.io/v1": ["selfsubjectreviews"],
    "apis/authorization.k8s.io/v1": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
    "apis/coordination.k8s.io/v1": ["leases"],
    "apis/events.k8s.io/v1": ["events"],
    "apis/networking.k8s.io/v1": ["networkpolicies"],
}

# Schemas that every document carries although no kept path may reach them: the documents of
# custom resources are made from them.
EXTRA = [META + name for name in ("DeleteOptions", "ListMeta", "ObjectMeta", "Patch", "Status", "WatchEvent")]

CONTENT_TYPES = {
    "application/json", "application/yaml", "*/*", "text/plain",
    "application/json-patch+json", "application/merge-patch+json",
    "application/strategic-merge-patch+json", "application/apply-patch+yaml",
    "application/json;stream=watch",
}


def source() -> pathlib.Path:
    """Downloads the module (a no-op when it is in the cache) and returns its folder."""
    out = subprocess.run(
        ["go", "mod", "download", "-json", f"k8s.io/kubernetes@{VERSION}"],
        check=True, capture_output=True, text=True, cwd="/",
    ).stdout
    return pathlib.Path(json.loads(out)["Dir"]) / "api" / "openapi-spec" / "v3"


def resource(gv: str, path: str) -> str | None:
    """The resource (with subresource) of a path, or None for watch paths and the group itself."""
    rest = re.sub(rf"^/{re.escape(gv)}/", "", path)
    if rest.startswith("watch/"):
        return None
    rest = re.sub(r"^namespaces/\{namespace\}/", "", rest)
    parts = [p for p in rest.split("/") if p and not p.startswith("{")]
    return "/".join(parts) if parts else ""


def refs(value) -> set[str]:
    """Names of the schemas that a value refers to."""
    if isinstance(value, dict):
        found = {value["$ref"].removeprefix(REF)} if isinstance(value.get("$ref"), str) else set()
        return found.union(*(refs(v) for v in value.values()))
    if isinstance(value, list):
        return set().union(*(refs(v) for v in value))
    return set()


def slim(value):
    """Drops content types that the server does not speak."""
    if isinstance(value, dict):
        return {
            k: {t: slim(c) for t, c in v.items() if t in CONTENT_TYPES} if k == "content" else slim(v)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [slim(v) for v in value]
    return value


def cut(gv: str, document: dict) -> dict:
    """One document with only what is served."""
    served = set(SERVED[gv])
    paths = {}
    for path, item in document["paths"].items():
        name = resource(gv, path)
        if name == "" or name in served:
            paths[path] = slim(item)
    found = {resource(gv, p) for p in paths}
    if missing := served - found:
        sys.exit(f"{gv}: not in the documents: {sorted(missing)}")
    schemas = document["components"]["schemas"]
    todo = refs(paths) | {name for name in EXTRA if name in schemas}
    kept = set()
    while todo:
        name = todo.pop()
        if name not in kept:
            kept.add(name)
            todo |= refs(schemas[name]) - kept
    return {
        "openapi": document["openapi"],
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": paths,
        "components": {"schemas": {name: schemas[name] for name in sorted(kept)}},
    }


def main() -> None:
    """Writes or checks the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail when the checked-in file is stale")
    check = parser.parse_args().check
    folder = source()
    documents = {}
    for gv in SERVED:
        file = folder / (gv.replace("/", "__") + "_openapi.json")
        documents[gv] = cut(gv, json.loads(file.read_text()))
    text = json.dumps(documents, separators=(",", ":"), ensure_ascii=False).encode()
    if check:
        if not OUT.exists() or gzip.decompress(OUT.read_bytes()) != text:
            sys.exit(f"{OUT.name} is stale: run generate.py")
        return
    # No time stamp, so that the same input gives the same bytes.
    OUT.write_bytes(gzip.compress(text, compresslevel=9, mtime=0))
    print(f"{OUT.name}: {len(text)} bytes, {OUT.stat().st_size} compressed", file=sys.stderr)


if __name__ == "__main__":
    main()
