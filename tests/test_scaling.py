"""The tool that reckons with many devices, and the manifests for Kubernetes."""

import kubernetes_validate
import pytest
import yaml
from test_zoo import PARAMETERS

from conftest import ROOT
from inpainting_zoo.arguments import parse
from inpainting_zoo.tools.scaling import CASES, Case, Link, add_up, efficiency, table

FREE = Link(float("inf"), 0)


def test_rings_by_hand():
    """Two devices pass half of 8 MB twice; more come near to all of it twice."""
    slow = Link(bandwidth=1e6, latency=0)
    assert add_up(2_000_000, 2, slow, FREE) == pytest.approx(8)
    assert add_up(2_000_000, 8, slow, FREE) == pytest.approx(14)
    # Between 8 hosts each device sends an eighth of what it has.
    assert add_up(2_000_000, 64, FREE, slow) == pytest.approx(14 / 8)
    # 14 messages within a host, 14 between.
    assert add_up(0, 64, Link(1, 1), Link(1, 10)) == pytest.approx(14 + 140)
    assert add_up(2_000_000, 1, slow, slow) == 0


def test_efficiency_by_hand():
    case = Case("any", (1_000_000, 1_000_000), seconds=24, source="")
    assert efficiency(case, 2, Link(1e6, 0), FREE) == pytest.approx(24 / 32)


def test_cases_have_the_parameters_of_their_presets():
    for case in CASES:
        counts = PARAMETERS[case.preset]
        trained = counts.get("generator") or counts["unet"]
        assert case.parameters[0] == trained
        critics = counts.get("global_critic", 0) + counts.get("local_critic", 0)
        others = critics or counts.get("discriminator")
        assert {*case.parameters[1:]} <= {others}


def test_the_page_has_the_tables_of_the_tool():
    page = (ROOT / "docs" / "scaling.md").read_text()
    from inpainting_zoo.tools.scaling import BETWEEN

    for name, link in BETWEEN.items():
        assert name in page and table(link) in page


@pytest.mark.parametrize("name", ["inpaint", "train"])
def test_manifests_are_read_by_kubernetes_and_by_the_command_line(name, tmp_path):
    path = ROOT / "docs" / "kubernetes" / f"{name}.yaml"
    documents = [*yaml.safe_load_all(path.read_text())]
    for document in documents:  # strict: no field that Kubernetes does not know
        version = kubernetes_validate.latest_version()
        kubernetes_validate.validate(document, version, strict=True)
    job = documents[-1]
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    assert spec["completionMode"] == "Indexed" and pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    for index in range(spec["completions"]):
        words = [*container["command"][1:], *container["args"]]
        words = [w.replace("$(JOB_COMPLETION_INDEX)", str(index)) for w in words]
        # Places are made here; those of the pods are not.
        words = [w.replace("=/", f"={tmp_path}/") for w in words]
        _, settings = parse(words)
        share = settings.shard if name == "inpaint" else settings.process
        assert share == f"{index}/{spec['completions']}"
