"""What compare.py found, as Markdown for docs/results.md."""

# How methods are called in tables and pictures, by what the tools call them; in the order of tables.
NAMES = {
    "fresh@1": "**Foreshift, fresh**",
    "ours": "**Foreshift's trees**",
    "lightgbm": "LightGBM",
    "xgboost": "XGBoost",
    "sklearn-boosting": "scikit-learn HistGradientBoosting",
    "sklearn-logistic": "scikit-learn LogisticRegression",
    "smartcore-forest": "smartcore random forest",
    "linfa-logistic": "linfa logistic regression",
    "river-logistic": "River logistic (FTRL)",
    "river-hoeffding-tree": "River Hoeffding tree",
    "river-adaptive-forest": "River adaptive random forest",
    "vowpal-wabbit": "Vowpal Wabbit",
    "vowpal-wabbit-quadratic": "Vowpal Wabbit, quadratic",
    "linfa-ftrl": "linfa FTRL",
}
PEERS = [name for name in NAMES if name.startswith(("river", "vowpal", "linfa-ftrl"))]


def called(name):
    return NAMES.get(name, f"Foreshift, champion {name}")


def is_ours(name):
    return name == "ours" or "@" in name


def asked_for(methods):
    """Without the baselines that `foreshift-lab compare` adds."""
    return [method for method in methods if is_ours(method["method"]) or method["method"] in PEERS]


def figure(estimate, digits=3):
    return f"{estimate['value']:.{digits}f} ({estimate['low']:.{digits}f} to {estimate['high']:.{digits}f})"


def table(header, lines):
    text = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    text += ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(text)


def online(one):
    ground, methods = one["ground"], asked_for(one["methods"])
    best = max(method["average_precision"]["value"] for method in methods if method["method"] in PEERS)
    lines = []
    for method in methods:
        precision, name = method["average_precision"], method["method"]
        bins = ", ".join(f"{each['expected_over_observed']:.2f}" for each in method["judged_bins"])
        lines.append([
            called(name),
            figure(precision),
            f"{precision['value'] / best:.2f}",
            f"{method['auc']['value']:.3f}",
            f"{method['log_loss']['value']:.4f}",
            f"{method['brier_skill']['value']:.3f}",
            bins or "none",
            f"{one['row_us'][name]:.1f}",
        ])
    said = (
        f"**{one['title'][0].upper()}{one['title'][1:]}**: {ground['rows']:,} judged rows of {ground['targets']} targets, "
        f"{ground['positives']:,} positive ({ground['base_rate']:.2%})."
    )
    header = [
        "", "average precision (95 %)", "x best peer", "AUC", "log-loss", "Brier skill",
        "expected / observed, top bins", "us a row",
    ]
    return f"{said}\n\n{table(header, lines)}"


def batch(one):
    methods, ours = one["methods"], one["methods"]["ours"]
    lines = [
        [
            called(name),
            f"{of['average_precision']:.4f}",
            f"{of['average_precision'] - ours['average_precision']:+.4f}" if name != "ours" else "",
            f"{of['auc']:.4f}",
            f"{of['log_loss']:.5f}",
            f"{of['brier_skill']:.3f}",
            f"{of['fit_s']:.2f}",
            f"{of['fit_s'] / methods['lightgbm']['fit_s']:.2f}",
            f"{of['predict_ns']:.0f}",
            f"{of['predict_ns'] / methods['lightgbm']['predict_ns']:.2f}",
        ]
        for name, of in methods.items()
    ]
    said = (
        f"**{one['name']}**: {one['rows']:,} rows, {one['features']} features, {one['positives']:,} positive "
        f"({one['positives'] / one['rows']:.2%}), {len(one['folds'])} folds."
    )
    header = [
        "", "average precision", "less ours", "AUC", "log-loss", "Brier skill", "fit, s", "x LightGBM",
        "ns a row", "x LightGBM",
    ]
    return f"{said}\n\n{table(header, lines)}"


def markdown(streamed, trained):
    parts = ["### Online, prequentially", *map(online, streamed), "### Batch, the same folds", *map(batch, trained)]
    return "\n\n".join(parts) + "\n"
