"""What efficiency to expect of training on many devices, on paper, as Markdown.

Every device takes its rows of a batch and has all weights; gradients are added up in
rings, first among the devices of a host, then between hosts, where each device sends
its share. Nothing is hidden behind the computation, so this is the least to expect.
Weak scaling: the rows of a device, and with them its seconds, stay the same.
"""

import argparse
import dataclasses

from inpainting_zoo.evaluation.tables import markdown
from inpainting_zoo.tools.commands import script

BYTES = 4  # of a gradient: trained weights are float32, whatever layers compute in
DEVICES = (8, 64, 512)
PER_HOST = 8


@dataclasses.dataclass(frozen=True)
class Link:
    """What gradients go through.

    Args:
        bandwidth: bytes a second that a device sends while it receives as many.
        latency: seconds for each message.
    """

    bandwidth: float
    latency: float


@dataclasses.dataclass(frozen=True)
class Case:
    """A training step on one device.

    Args:
        preset: of the zoo.
        parameters: numbers of gradients that are added up, one for each optimizer's
            step; `tests/test_zoo.py` counts them.
        seconds: of the step on one device.
        source: where the seconds are from.
    """

    preset: str
    parameters: tuple
    seconds: float
    source: str


# Assumed, as data sheets have them: NVLink of an A100 one way; a network card of 400
# Gbit/s for each device; one Ethernet of 100 Gbit/s for the eight of a host.
WITHIN = Link(300e9, 5e-6)
BETWEEN = {
    "400 Gbit/s a device": Link(50e9, 1e-5),
    "100 Gbit/s a host": Link(12.5e9 / PER_HOST, 3e-5),
}
# The generator, and two critics that take five steps for one of it.
GMCNN_FACES = (3_144_307, *(5 * [526_369 + 526_465]))
GMCNN = (12_561_891, *(5 * [8_404_993 + 8_403_457]))
MEASURED, ASSUMED = "measured on two CPU cores", "assumed"
CASES = (
    Case("gmcnn_faces_128_wgan", GMCNN_FACES, 3.84, MEASURED),
    Case("lama_small", (6_799_299,), 0.7, MEASURED),  # its first stage
    Case("gmcnn_256", GMCNN, 0.5, ASSUMED),
    Case("lama_big", (51_057_027, 6_965_185), 0.5, ASSUMED),
    Case("sd2_inpainting", (865_925_124,), 0.5, ASSUMED),
)


def add_up(parameters: int, devices: int, within: Link, between: Link) -> float:
    """Returns the seconds in which the gradients of all devices are added up.

    A ring of n devices passes each share of the gradients around twice: 2 (n - 1) / n
    of all bytes, in 2 (n - 1) messages.

    Args:
        parameters: how many gradients each device has.
        devices: a multiple of those of a host, or fewer.
        within, between: links of devices on one host, and on several.
    """
    local = min(devices, PER_HOST)
    size = parameters * BYTES

    def ring(count, size, link):
        turns = 2 * (count - 1)
        return turns / count * size / link.bandwidth + turns * link.latency

    hosts = devices // local
    return ring(local, size, within) + ring(hosts, size / local, between)


def all_added(case: Case, devices: int, within: Link, between: Link) -> float:
    """Returns the seconds of a step in which gradients are added up."""
    return sum(add_up(n, devices, within, between) for n in case.parameters)


def efficiency(case: Case, devices: int, within: Link, between: Link) -> float:
    """Returns which share of the time a device computes, in [0, 1]."""
    added = all_added(case, devices, within, between)
    return case.seconds / (case.seconds + added)


def table(between: Link) -> str:
    """Returns the efficiency of every case on every number of devices."""
    head = ["preset", "MB of gradients", "seconds of a step"]
    head += [f"{n} devices" for n in DEVICES]
    head += [f"seconds for 90 % on {DEVICES[-1]}"]
    rows = []
    for case in CASES:
        megabytes = sum(case.parameters) * BYTES / 1e6
        shares = [efficiency(case, n, WITHIN, between) for n in DEVICES]
        seconds = f"{case.seconds:g} ({case.source})"
        percent = [f"{100 * share:.1f} %" for share in shares]
        least = f"{9 * all_added(case, DEVICES[-1], WITHIN, between):.2f}"
        first = f"`{case.preset}`", f"{megabytes:,.0f}", seconds
        rows.append([*first, *percent, least])
    return markdown(head, rows)


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    for name, between in BETWEEN.items():
        print(f"{name} between hosts:\n\n{table(between)}\n")


if __name__ == "__main__":
    script(main)
