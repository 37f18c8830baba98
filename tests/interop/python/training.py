"""A team's training script, written for MLflow: nothing in it knows of Roost but the address and the token in the
environment. What it leaves is then read back with the same client."""

import json
import math
import os
import sys
import tempfile

import mlflow
import mlflow.data
import mlflow.onnx
import numpy as np
import pandas as pd
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.tracking import MlflowClient

from checks import check, finish, part, refused
from models import predictions, trained

client = MlflowClient()
IS_2 = mlflow.__version__.startswith("2.")
NAME = "vibration-2x" if IS_2 else "vibration"


def train(seed, hidden):
    model, inputs, error = trained(seed, hidden=hidden)
    # now: log_model moves the weights of the model it is given into a file
    answers = predictions(model, inputs)
    frame = pd.DataFrame(inputs, columns=["a", "b", "c", "d"])
    with mlflow.start_run(run_name=f"seed-{seed}") as run:
        mlflow.log_params({"seed": seed, "hidden": hidden, "optimiser": "least squares"})
        mlflow.set_tags({"team": "edge", "note": "ü→ 'quoted' \"too\""})
        mlflow.log_input(mlflow.data.from_pandas(frame, name="gearbox"), context="training")
        for step in range(5):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
        mlflow.log_metric("mse", error)
        mlflow.log_metric("nan", math.nan)
        mlflow.log_metric("inf", math.inf)
        mlflow.log_dict({"seed": seed}, "notes/config.json")
        mlflow.log_text("trained\n", "notes/log.txt")
        where = {"artifact_path": "model"} if IS_2 else {"name": "model"}
        info = mlflow.onnx.log_model(model, registered_model_name=NAME, input_example=inputs[:2], **where)
    return run.info.run_id, info, answers, inputs, error


def look_at_run(run_id, error):
    run = client.get_run(run_id)
    check("a run is finished when the script ends", run.info.status == "FINISHED", run.info.status)
    check("parameters are kept as text", run.data.params["hidden"] == run.data.params["hidden"] != "")
    check("tags keep any Unicode", run.data.tags["note"] == "ü→ 'quoted' \"too\"", run.data.tags)
    check("the last step is the metric", math.isclose(run.data.metrics["loss"], 0.2), run.data.metrics)
    check("a metric is kept to the bit", run.data.metrics["mse"] == error)
    check("NaN is NaN", math.isnan(run.data.metrics["nan"]))
    check("infinity is beyond all numbers", run.data.metrics["inf"] > 1e308)
    history = client.get_metric_history(run_id, "loss")
    check("history has every step", sorted(point.step for point in history) == [0, 1, 2, 3, 4], history)
    check("a run knows its data", run.inputs.dataset_inputs[0].dataset.name == "gearbox")
    names = sorted(file.path for file in client.list_artifacts(run_id))
    check("artifacts are listed", "notes" in names, names)
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(run_id, "notes", folder)
        check("folders are downloaded", json.load(open(os.path.join(path, "config.json")))["seed"] >= 0)


def look_for_runs(ids):
    def search(text, **more):
        return [run.info.run_id for run in client.search_runs([experiment], text, **more)]

    experiment = client.get_run(ids[0]).info.experiment_id
    check("runs are found by parameter", search("params.seed = '2'") == [ids[1]], search("params.seed = '2'"))
    check("by metric, tag and state", set(search("metrics.mse < 1000 AND tags.team = 'edge' AND attributes.status = 'FINISHED'")) == set(ids))
    check("by pattern", set(search("params.optimiser LIKE 'least%'")) == set(ids))
    check("in order", search("", order_by=["params.seed ASC"]) == ids, search("", order_by=["params.seed ASC"]))
    first = client.search_runs([experiment], max_results=1, order_by=["params.seed ASC"])
    rest = client.search_runs([experiment], max_results=1, order_by=["params.seed ASC"], page_token=first.token)
    check("page by page", [first[0].info.run_id, rest[0].info.run_id] == ids)
    refused("a filter that is none says so", "INVALID_PARAMETER_VALUE", lambda: search("metrics.mse <"))
    client.delete_run(ids[1])
    check("a deleted run is not found", ids[1] not in search(""))
    check("but among the deleted", search("", run_view_type=ViewType.DELETED_ONLY) == [ids[1]])
    refused("nothing is logged to a deleted run", "INVALID_PARAMETER_VALUE", lambda: client.log_metric(ids[1], "late", 1))
    client.restore_run(ids[1])
    check("a restored run is found", ids[1] in search(""))


def look_at_batches(run_id):
    now = 1_700_000_000_000
    client.log_batch(run_id, [Metric("batch", 1.0 * i, now, i) for i in range(1000)], [Param("p", "1")], [RunTag("t", "x")])
    check("a batch of 1,000 metrics is kept", len(client.get_metric_history(run_id, "batch")) == 1000)
    refused(
        "a parameter is set once",
        "INVALID_PARAMETER_VALUE",
        lambda: client.log_batch(run_id, [Metric("never", 1.0, now, 0)], [Param("p", "2")], []),
    )
    check("a refused batch leaves nothing", "never" not in client.get_run(run_id).data.metrics)


def look_at_models(results):
    (_, _, first_answers, first_inputs, _), (second_run, info, answers, inputs, _) = results
    versions = {version.version: version for version in client.search_model_versions(f"name = '{NAME}'")}
    check("each training is a version", sorted(versions) == [1, 2] or sorted(versions) == ["1", "2"], versions)
    version = client.get_model_version(NAME, "2")
    check("ready at once", version.status == "READY")
    check("the version knows its run", version.run_id == second_run, version)
    check("models by name", [one.name for one in client.search_registered_models(f"name = '{NAME}'")] == [NAME])
    client.set_registered_model_alias(NAME, "champion", "1")
    check("an alias is resolved", str(client.get_model_version_by_alias(NAME, "champion").version) == "1")
    loaded = mlflow.onnx.load_model(f"models:/{NAME}@champion")
    same = np.array_equal(predictions(loaded, first_inputs), first_answers)
    check("the champion predicts as the model that was trained", same)
    client.set_registered_model_alias(NAME, "champion", "2")
    loaded = mlflow.onnx.load_model(f"models:/{NAME}@champion")
    check("the alias moves", np.array_equal(predictions(loaded, inputs), answers))
    pyfunc = mlflow.pyfunc.load_model(f"models:/{NAME}/1")
    check("as pyfunc too", np.allclose(pyfunc.predict(first_inputs)["y"], first_answers))
    check("a registered model shows its aliases", {a: str(v) for a, v in client.get_registered_model(NAME).aliases.items()} == {"champion": "2"})
    check("what was logged can be loaded by itself", mlflow.onnx.load_model(info.model_uri) is not None)
    client.set_model_version_tag(NAME, "2", "reviewed", "yes")
    client.update_model_version(NAME, "2", "second try")
    check("tags and descriptions of versions", client.get_model_version(NAME, "2").description == "second try")
    found = client.search_model_versions(f"name = '{NAME}' AND tags.reviewed = 'yes'")
    check("versions are found by tag", [str(v.version) for v in found] == ["2"], found)
    found = client.search_model_versions(f"run_id = '{second_run}'")
    check("versions are found by run", [str(v.version) for v in found] == ["2"], found)
    client.delete_model_version_tag(NAME, "2", "reviewed")
    check("tags go", "reviewed" not in client.get_model_version(NAME, "2").tags)
    again = mlflow.register_model(version.source if not IS_2 else info.model_uri, NAME)
    check("the same content is the same version", str(again.version) == "2", again)
    latest = client.get_latest_versions(NAME)
    check("the latest version", [str(v.version) for v in latest] == ["2"], latest)


def look_at_logged_model(results):
    _, info, _, _, error = results[1]
    logged = client.get_logged_model(info.model_id)
    check("a logged model is ready", str(logged.status) == "READY", logged.status)
    check("it has its run's parameters", logged.params["seed"] == "2", logged.params)
    check("it has its run's metrics", any(m.key == "mse" and m.value == error for m in logged.metrics), logged.metrics)
    experiment = logged.experiment_id
    found = mlflow.search_logged_models([experiment], filter_string="params.seed = '2'", output_format="list")
    check("logged models are found by parameter", [m.model_id for m in found] == [info.model_id], found)
    found = mlflow.search_logged_models([experiment], filter_string="metrics.mse >= 0 AND name = 'model'", output_format="list")
    check("by metric and name", info.model_id in [m.model_id for m in found])
    client.set_logged_model_tags(info.model_id, {"stage": "try"})
    client.delete_logged_model_tag(info.model_id, "stage")
    check("tags of logged models", "stage" not in client.get_logged_model(info.model_id).tags)
    names = [file.path for file in client.list_logged_model_artifacts(info.model_id)]
    check("their files are listed", "MLmodel" in names, names)


def look_at_refusals(run_id):
    missing = "0" * 32
    refused("no such run", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_run(missing))
    refused("no such model", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_registered_model("none"))
    refused("no such version", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version(NAME, "99"))
    refused("no such alias", "INVALID_PARAMETER_VALUE", lambda: client.get_model_version_by_alias(NAME, "none"))
    refused("no such version for an alias", "RESOURCE_DOES_NOT_EXIST", lambda: client.set_registered_model_alias(NAME, "a", "99"))
    refused("a taken name", "RESOURCE_ALREADY_EXISTS", lambda: client.create_registered_model(NAME))
    refused("a name devices could not carry", "INVALID_PARAMETER_VALUE", lambda: client.create_registered_model("My Model"), "lower-case")
    refused("a renamed model", "INVALID_PARAMETER_VALUE", lambda: client.rename_registered_model(NAME, "other"))
    refused(
        "a source elsewhere",
        "INVALID_PARAMETER_VALUE",
        lambda: client.create_model_version(NAME, "s3://bucket/model", run_id),
        "log the model",
    )
    client.log_text(run_id, "flavors:\n  sklearn:\n    pickled_model: model.pkl\n", "pickled/MLmodel")
    refused(
        "a model that is no ONNX",
        "INVALID_PARAMETER_VALUE",
        lambda: client.create_model_version(NAME, f"runs:/{run_id}/pickled", run_id),
        "skl2onnx",
    )
    refused(
        "files of another run",
        "INVALID_PARAMETER_VALUE",
        lambda: client.create_model_version(NAME, f"runs:/{run_id}/pickled", missing),
    )


def look_at_deletion():
    short = f"{NAME}-short-lived"
    client.create_registered_model(short, tags={"owner": NAME}, description="soon gone")
    found = client.search_registered_models(f"tags.owner = '{NAME}'")
    check("models are found by tag", [m.name for m in found] == [short], found)
    client.update_registered_model(short, "later")
    check("models are described", client.get_registered_model(short).description == "later")
    client.delete_registered_model(short)
    refused("a deleted model is gone", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_registered_model(short))
    experiment = client.create_experiment(f"{NAME}-attic")
    client.delete_experiment(experiment)
    refused("a deleted name stays taken", "RESOURCE_ALREADY_EXISTS", lambda: client.create_experiment(f"{NAME}-attic"))
    client.restore_experiment(experiment)
    check("an experiment is restored", client.get_experiment(experiment).lifecycle_stage == "active")


mlflow.set_experiment(f"{NAME}-training")
# the second has weights of several KB, which the client stores beside the model unless told otherwise
results = [train(1, hidden=0), train(2, hidden=256)]
ids = [run_id for run_id, *_ in results]
part("reading a run", look_at_run, ids[0], results[0][4])
part("finding runs", look_for_runs, ids)
part("batches", look_at_batches, ids[0])
part("registered models", look_at_models, results)
if not IS_2:
    part("logged models", look_at_logged_model, results)
part("refusals", look_at_refusals, ids[0])
part("deletion", look_at_deletion)
_, _, answers, inputs, _ = results[1]
with open(sys.argv[1], "w") as file:
    json.dump({"inputs": inputs[:8].tolist(), "answers": answers[:8].tolist()}, file)
finish()
