"""The picture of compare.py: who ranks best online, how honest probabilities are, and the batch models side by side."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import NullFormatter, PercentFormatter  # noqa: E402

import tables  # noqa: E402

OURS, CHAMPION, RIVER, VOWPAL, LINFA = "#2a9d5c", "#8fcfa9", "#4a6fa5", "#e0a458", "#9e9e9e"
BATCH = {
    "ours": (OURS, "o"),
    "lightgbm": ("#4a6fa5", "s"),
    "xgboost": ("#c1666b", "D"),
    "sklearn-boosting": ("#e0a458", "^"),
}


def colour(name):
    if tables.is_ours(name):
        return OURS if name == "fresh@1" else CHAMPION
    return RIVER if name.startswith("river") else VOWPAL if name.startswith("vowpal") else LINFA


def plain(name):
    return tables.called(name).replace("**", "")


def bars(axes, one):
    """Average precision of the online models, with intervals."""
    methods = sorted(tables.asked_for(one["methods"]), key=lambda method: method["average_precision"]["value"])
    for place, method in enumerate(methods):
        figure = method["average_precision"]
        axes.barh(place, figure["value"], height=0.68, color=colour(method["method"]))
        axes.plot([figure["low"], figure["high"]], [place, place], color="#333333", linewidth=1.1)
        axes.text(figure["high"], place, f"  {figure['value']:.3f}", va="center", fontsize=8.5, color="#333333")
    axes.axvline(one["ground"]["base_rate"], color="#888888", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(methods)), [plain(method["method"]) for method in methods])
    axes.set_xlim(0, 1.2 * max(method["average_precision"]["high"] for method in methods))
    axes.set_title(f"Online: {one['title']}", loc="left", fontsize=10.5)
    axes.set_xlabel("average precision, 95 % interval (dotted: chance)")


def calibration(axes, one):
    """Said against came, for the bins that hold enough positives to say something."""
    ends = (1e-3, 1)
    axes.plot(ends, ends, color="#888888", linestyle=":", linewidth=1)
    axes.fill_between(ends, [end / 1.25 for end in ends], [end / 0.8 for end in ends], color="#eeeeee", zorder=0)
    shown = {"fresh@1": "o", "river-logistic": "s", "vowpal-wabbit": "^", "linfa-ftrl": "D"}
    for method in tables.asked_for(one["methods"]):
        name = method["method"]
        bins = [each for each in method["risk_bins"] if each["positives"] >= 50]
        if name in shown and bins:
            said, came = ([each[key] for each in bins] for key in ("expected", "observed"))
            axes.plot(said, came, marker=shown[name], markersize=4.5, color=colour(name), label=plain(name))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(2e-3, 1)
    axes.set_ylim(2e-3, 1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=None))
        axis.set_minor_formatter(NullFormatter())
    axes.set_title(f"Calibration: {one['title']}", loc="left", fontsize=10.5)
    axes.set_xlabel("said (grey: expected / observed 0.8 to 1.25)")
    axes.set_ylabel("came")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)


def below(axes, columns):
    axes.legend(frameon=False, fontsize=8, ncols=columns, loc="upper center", bbox_to_anchor=(0.5, -0.15))


def batch(axes, results):
    """Average precision of boosted trees by set, and what their fits took against LightGBM."""
    for place, one in enumerate(results):
        for name, (shade, marker) in BATCH.items():
            axes.plot(
                one["methods"][name]["average_precision"],
                len(results) - 1 - place,
                marker,
                markersize=10 if name == "ours" else 6.5,
                markerfacecolor="none" if name == "ours" else shade,
                markeredgewidth=2 if name == "ours" else 0,
                color=shade,
                label=plain(name) if place == 0 else None,
                linestyle="none",
                zorder=3 if name == "ours" else 2,
            )
    axes.set_yticks(range(len(results)), [one["name"] for one in reversed(results)])
    axes.set_ylim(-0.6, len(results) - 0.4)
    axes.set_xlim(0, 1.03)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_title("Batch: boosted trees, same folds", loc="left", fontsize=10.5)
    axes.set_xlabel("average precision, mean of three folds")
    below(axes, 2)


def times(axes, results):
    """Fit and prediction times, as multiples of LightGBM's."""
    kinds = [("fit_s", "fit", 1.0), ("predict_ns", "predict", 0.45)]
    others = [name for name in BATCH if name != "lightgbm"]
    step = 0.8 / len(others)
    for place, one in enumerate(reversed(results)):
        for at, name in enumerate(reversed(others)):
            y = place + (at - (len(others) - 1) / 2) * step
            for key, _, alpha in kinds:
                ratio = one["methods"][name][key] / one["methods"]["lightgbm"][key]
                marker = "o" if key == "fit_s" else ">"
                axes.plot(ratio, y, marker, color=BATCH[name][0], alpha=alpha, markersize=6.5)
    for key, label, alpha in kinds:
        axes.plot([], [], "o" if key == "fit_s" else ">", color="#555555", alpha=alpha, linestyle="none", label=label)
    for name in others:
        axes.plot([], [], "s", color=BATCH[name][0], linestyle="none", label=plain(name))
    axes.axvline(1, color="#4a6fa5", linewidth=1.2)
    axes.axvline(1.5, color="#888888", linestyle=":", linewidth=1)
    axes.set_xscale("log")
    axes.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "LightGBM", "2", "4"])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(results)), [one["name"] for one in reversed(results)])
    axes.set_title("Batch: time on one thread, as multiples of LightGBM's", loc="left", fontsize=10.5)
    axes.set_xlabel("dotted: the bound of a fit")
    below(axes, 3)


# Positives that tell whether probabilities are right.
ENOUGH = 500


def draw(streamed, trained, path):
    # Of each source the one that looks ahead the least, among those with positives enough to be held to.
    told = [one for one in streamed if one["ground"]["positives"] >= ENOUGH] or streamed
    first = {one["title"].split(",")[0]: one for one in reversed(told)}
    shown = [first[name] for name in reversed(first)]
    figure, axes = plt.subplots(len(shown) + 1, 2, figsize=(12.5, 4.1 * (len(shown) + 1)))
    for line, one in zip(axes, shown):
        bars(line[0], one)
        calibration(line[1], one)
    batch(axes[-1][0], trained)
    times(axes[-1][1], trained)
    for panel in axes.flat:
        panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout(h_pad=2.2, w_pad=2)
    figure.savefig(path, dpi=110)
