"""ONNX models that are trained in a second without anything but numpy."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def trained(seed, features=4, hidden=0):
    """Least squares on made data, as an ONNX graph of one or two layers; `hidden` makes it large enough for MLflow's
    client to put its weights into a file of their own. Gives model, inputs, and the mean squared error."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(200, features)).astype(np.float32)
    truth = random.normal(size=(features, 1)).astype(np.float32)
    targets = inputs @ truth + 0.1 * random.normal(size=(200, 1)).astype(np.float32)
    nodes, weights, values, width = [], [], inputs, features
    if hidden:
        first = random.normal(size=(features, hidden)).astype(np.float32) / features
        weights.append(numpy_helper.from_array(first, "first"))
        nodes += [helper.make_node("MatMul", ["x", "first"], ["h"]), helper.make_node("Relu", ["h"], ["r"])]
        values, width = np.maximum(inputs @ first, 0), hidden
    ridge = values.T @ values + 0.1 * np.eye(width, dtype=np.float32)
    last = np.linalg.solve(ridge, values.T @ targets).astype(np.float32)
    weights.append(numpy_helper.from_array(last, "last"))
    nodes.append(helper.make_node("MatMul", ["r" if hidden else "x", "last"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "regression",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", features])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model, inputs, float(np.mean((values @ last - targets) ** 2))


def predictions(model, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": inputs})[0]
