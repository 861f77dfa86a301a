"""The service where the engine has two CPUs: serves pictures, prints who did what.

To be run in a process of its own, with the path of weights, on TensorFlow or, with
XLA_FLAGS=--xla_force_host_platform_device_count=2, on JAX. Prints as JSON the number of
workers, the devices that completed pictures, and which pictures came back as one device
makes them.
"""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from inpainting_zoo.inpainting.picture import complete_bytes
from inpainting_zoo.options import ServeSettings
from inpainting_zoo.serving.serve import own_models
from served import form, noise, pixels, png, send, server, square

COUNT = 6  # pictures, of a size each
meeting = threading.Barrier(2)
devices = []


def split_cpu():
    """Makes two devices of TensorFlow's one."""
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)


def meets(model):
    """Lets each prediction of a model wait for one that another thread begins."""
    predict = model._run

    def run(inputs):
        meeting.wait(60)
        found = predict(inputs)
        devices.append(str(found.device))
        return found

    model._run = run


def main(weights):
    if keras.backend.backend() == "tensorflow":
        split_cpu()
    settings = ServeSettings(from_weights=weights)
    pairs = [
        {"image": png(noise(40 + i, 50, i)), "mask": png(square(40 + i, 50, 9, i, 8))}
        for i in range(COUNT)
    ]
    about, models = own_models(settings)
    alone = [complete_bytes(models[0], **pair)[0] for pair in pairs]
    for model in models:
        meets(model)
    with server(own=(about, models)) as address, ThreadPoolExecutor(COUNT) as pool:
        bodies = [form(**pair) for pair in pairs]
        answers = [*pool.map(lambda body: send(address, body=body), bodies)]
        workers = send(address, "/api/health")[2]["workers"]
    same = [
        status == 200 and np.array_equal(pixels(content), pixels(expected))
        for (status, _, content), expected in zip(answers, alone)
    ]
    print(json.dumps({"workers": workers, "devices": devices, "same": same}))


if __name__ == "__main__":
    main(sys.argv[1])
