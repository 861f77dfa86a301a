"""The command that joins what shares of a run have done."""

from inpainting_zoo.inpainting.folder import join_folder
from inpainting_zoo.options import JoinSettings


def join(settings: JoinSettings) -> int:
    """Makes one ledger, or one report, of those of all shares; returns the exit code.

    Raises:
        InputError: if a share is missing or has not come to its end.
    """
    if settings.save_to:
        return join_folder(settings.save_to)
    # Only the measures need an engine.
    from inpainting_zoo.evaluation.evaluate import join_report

    join_report(settings.report)
    return 0
