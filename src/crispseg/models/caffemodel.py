"""Read the weights of a `.caffemodel`, Caffe's binary `NetParameter` message."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crispseg.errors import InputError
from crispseg.extras import optional_packages

Blobs = dict[str, list[Tensor]]
"""Weights, bias and other learned tensors of each layer, by layer name."""

# The fields of https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto that hold weights: message → field
# → number and type, `*` for a repeated one. Whatever else a file holds is skipped.
_SCHEMA: dict[str, dict[str, tuple[int, str]]] = {
    "NetParameter": {"layers": (2, "*V1LayerParameter"), "layer": (100, "*LayerParameter")},
    "V1LayerParameter": {"name": (4, "bytes"), "blobs": (6, "*BlobProto")},  # up to 2015
    "LayerParameter": {"name": (1, "bytes"), "blobs": (7, "*BlobProto")},
    "BlobProto": {
        "num": (1, "int32"),
        "channels": (2, "int32"),
        "height": (3, "int32"),
        "width": (4, "int32"),
        "data": (5, "*float"),
        "shape": (7, "BlobShape"),
        "double_data": (8, "*double"),
    },
    "BlobShape": {"dim": (1, "*int64")},
}
_PACKAGE = "crispseg.caffe"

_MOST_BYTES = 2**31 - 1
"""Size limit of a message, set by its format."""
_MOST_LAYERS, _MOST_BLOBS = 10_000, 100
"""Limits per file and per layer: one byte of a file can claim a layer or blob that takes hundreds of bytes."""
_MOST_AXES = 32
"""Caffe's own limit for a blob."""
_LONGEST_NAME = 200


def read_caffemodel(path: Path) -> Blobs:
    """Read the weights of every layer that has any.

    Args:
        path: A file that any version of Caffe wrote: layers in the field `layer` or the older `layers`, blobs with a
            `shape` or with the older four numbers.

    Returns:
        The float32 blobs of each layer in order, such as (out, in, k, k) weights and a bias. Shapes are those in the
        file: older files give a bias four dimensions.

    Raises:
        InputError: If the file is missing, damaged, not a `.caffemodel`, larger than one can be, or holds no weights,
            or if `protobuf` is not installed.
    """
    if not path.is_file():
        raise InputError(f"caffemodel {path}: no such file")
    network = _message_class("NetParameter")()
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"caffemodel {path}: larger than 2 GiB, which no .caffemodel is; get the file again")
        network.ParseFromString(path.read_bytes())
    except Exception as error:  # DecodeError, or any other error of the parser
        raise InputError(
            f"caffemodel {path}: damaged, truncated or not a binary .caffemodel ({error}); get the file again"
        ) from error
    blobs: Blobs = {}
    for layer in (*network.layers, *network.layer):
        name = layer.name[:_LONGEST_NAME].decode(errors="replace")
        if len(layer.blobs) > _MOST_BLOBS or len(blobs) == _MOST_LAYERS:
            raise InputError(
                f"caffemodel {path}: layer {name!r} is one of {len(blobs) + 1} with {len(layer.blobs)} blobs; expected "
                f"at most {_MOST_LAYERS} layers of {_MOST_BLOBS}: damaged; get the file again"
            )
        if name in blobs:
            raise InputError(f"caffemodel {path}: two layers named {name!r} hold weights; expected one of each name")
        if layer.blobs:
            blobs[name] = [_tensor(blob, f"caffemodel {path}: layer {name!r}") for blob in layer.blobs]
    if not blobs:
        raise InputError(f"caffemodel {path}: has no layer with weights; expected a trained network")
    return blobs


def _tensor(blob: Any, where: str) -> Tensor:  # noqa: ANN401 - a class made at run time
    if len(blob.shape.dim) > _MOST_AXES:
        raise InputError(f"{where} has {len(blob.shape.dim)} axes; expected at most {_MOST_AXES}: damaged")
    old_shape = (blob.num, blob.channels, blob.height, blob.width)
    shape = tuple(blob.shape.dim) if blob.HasField("shape") else old_shape
    values = blob.double_data or blob.data
    if blob.double_data and blob.data:
        raise InputError(f"{where} has its numbers twice, as float and as double: damaged; get the file again")
    if min(shape, default=0) < 0 or math.prod(shape) != len(values):
        raise InputError(f"{where} has {len(values)} numbers for the shape {shape}: damaged; get the file again")
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused below
        numbers = np.fromiter(values, np.float32, len(values))
    if not np.isfinite(numbers).all():
        raise InputError(f"{where} holds NaN or infinity; expected trained weights: get the file again")
    return torch.from_numpy(numbers).reshape(shape)


def _message_class(name: str) -> Any:  # noqa: ANN401 - a class made at run time
    """Return the class that parses a message of the schema."""
    with optional_packages():
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415 - as above

    file = descriptor_pb2.FileDescriptorProto(name="crispseg_caffe.proto", package=_PACKAGE, syntax="proto2")
    field_types = descriptor_pb2.FieldDescriptorProto
    for message_name, fields in _SCHEMA.items():
        message = file.message_type.add(name=message_name)
        for field_name, (number, kind) in fields.items():
            field = message.field.add(name=field_name, number=number)
            field.label = field_types.LABEL_REPEATED if kind.startswith("*") else field_types.LABEL_OPTIONAL
            plain = kind.removeprefix("*")
            if plain in _SCHEMA:
                field.type, field.type_name = field_types.TYPE_MESSAGE, f".{_PACKAGE}.{plain}"
            else:
                field.type = field_types.Type.Value(f"TYPE_{plain.upper()}")
    pool = descriptor_pool.DescriptorPool()  # of its own: protobuf refuses two files of one name in a shared one
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
