"""Loss terms: raw, weighted and added up."""


def weighted_sum(terms, weights, network: str):
    """Adds up loss terms; the logs hold each one raw and weighted, and their sum.

    Args:
        terms: name -> loss, of shape ().
        weights: name -> number; may have further names.
        network: whose loss it is; names the sum, such as "generator_loss".

    Returns:
        `(loss, logs)`.
    """
    weighted = {name: weights[name] * term for name, term in terms.items()}
    logs = {**terms, **{f"weighted_{name}": term for name, term in weighted.items()}}
    loss = sum(weighted.values())
    return loss, logs | {f"{network}_loss": loss}
