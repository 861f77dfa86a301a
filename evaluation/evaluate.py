"""The evaluation command."""

from functools import partial
from pathlib import Path

from inpainting_zoo.chosen import chosen_model
from inpainting_zoo.data.images import list_images
from inpainting_zoo.data.layouts import list_split
from inpainting_zoo.data.pairs import EvaluationPairs, fit_pair
from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation import protocol
from inpainting_zoo.evaluation import scoring as rules
from inpainting_zoo.evaluation.baselines import BASELINES
from inpainting_zoo.inpainting.strategies import complete_large
from inpainting_zoo.options import EvaluateSettings
from inpainting_zoo.training.experiment import Experiment


def evaluate(settings: EvaluateSettings):
    """Scores a model beside the classical methods, and writes a report."""
    path, layout = settings.test_path, settings.dataset_layout
    images = (
        list_split(layout, path, "val") if layout else list_images(path, "test_path")
    )
    images, masks, files = images[: settings.limit], settings.masks, None
    if settings.mask_path:
        files = list_images(settings.mask_path, "mask_path")
        masks = masks or "files=1"
    inputs = [path, settings.mask_path or path, *images, *(files or ())]
    protocol.refuse_overwriting(settings.report, inputs)
    name, model, weights = chosen_model(settings)
    size, strategy = settings.image_size or model.image_size, settings.strategy
    complete = model.inpaint
    if strategy != "original":  # which must fail, not shrink, without memory
        complete = partial(
            complete_large, complete, model_size=model.image_size, strategy=strategy
        )
    methods, fit = {name: complete, **BASELINES}, fit_pair
    if settings.protocol == "report_004":
        if strategy != "original":
            raise InputError(f"strategy: original in report_004, received {strategy}")
        methods = {m: rules.raw(baseline) for m, baseline in BASELINES.items()}
        methods, fit = {name: model.predict_soft, **methods}, rules.report_004_pair
    pairs = EvaluationPairs(
        images,
        masks or model.masks,
        size,
        settings.seed,
        mask_files=files,
        invert_mask=settings.invert_mask,
        fit=fit,
        max_pixels=settings.max_pixels,
    )
    report = protocol.evaluate(
        pairs,
        methods,
        settings.seed,
        protocol=settings.protocol,
        weights_sha256=weights,
    )
    report |= {"image_size": size, "strategy": strategy}
    protocol.write_report(report, settings.report)
    print(protocol.format_table(report))
    print(f"report: {settings.report}, with .csv and .png beside it")
    if settings.experiment_name:
        experiment = Experiment(Path(settings.output_path, name))
        test = f"test_{Path(settings.report).stem}"
        experiment.log_test(test, report["methods"][name])
