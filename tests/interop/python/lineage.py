"""Reads the hub's OpenLineage events and builds each of them with OpenLineage's own classes, which check them."""

import json
import os
import urllib.request
from collections import Counter

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    documentation_dataset,
    error_message_run,
    job_type_job,
    schema_dataset,
)
from openlineage.client.serde import Serde

standard = {
    "schema": lambda fields: schema_dataset.SchemaDatasetFacet(
        fields=[schema_dataset.SchemaDatasetFacetFields(**field) for field in fields]
    ),
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
    "documentation": documentation_dataset.DocumentationDatasetFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
}


def facets(given):
    built = {}
    for name, facet in given.items():
        assert facet["_producer"] and facet["_schemaURL"], (name, facet)
        if name in standard:
            built[name] = standard[name](**{key: value for key, value in facet.items() if not key.startswith("_")})
        else:
            assert name.startswith("roost_"), name
    return built


def dataset(kind, given):
    return kind(namespace=given["namespace"], name=given["name"], facets=facets(given["facets"]))


def build(event):
    return RunEvent(
        eventType=RunState[event["eventType"]],
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=Run(runId=event["run"]["runId"], facets=facets(event["run"]["facets"])),
        job=Job(
            namespace=event["job"]["namespace"], name=event["job"]["name"], facets=facets(event["job"]["facets"])
        ),
        inputs=[dataset(InputDataset, given) for given in event["inputs"]],
        outputs=[dataset(OutputDataset, given) for given in event["outputs"]],
    )


def main():
    request = urllib.request.Request(
        os.environ["ROOST_URL"] + "/v1/lineage/openlineage?limit=1000",
        headers={"Authorization": "Bearer " + os.environ["ROOST_TOKEN"]},
    )
    with urllib.request.urlopen(request) as response:
        events = [json.loads(line) for line in response.read().splitlines()]
    assert events
    for event in events:
        said = Serde.to_dict(build(event))
        for key in ("eventType", "eventTime", "producer"):
            assert said[key] == event[key], (said, event)
        assert said["run"]["runId"] == event["run"]["runId"], (said, event)
        assert [given["name"] for given in said["inputs"]] == [given["name"] for given in event["inputs"]]
    kinds = Counter(event["job"]["name"].split("/")[0] for event in events)
    print(f"{len(events)} events: " + ", ".join(f"{count} of {kind}s" for kind, count in sorted(kinds.items())))


main()
