"""What the papers say, and by which protocol.

Percent on Omniglot: (5-way 1-shot, 5-way 5-shot, 20-way 1-shot, 20-way 5-shot); mean squared error of sinusoids.
"""

from __future__ import annotations

from typing import Any

PAPERS: dict[str, dict[str, Any]] = {
    "MAML": {
        "source": "Finn, Abbeel and Levine 2017, arXiv:1703.03400, table 1",
        "omniglot": (98.7, 99.9, 95.8, 98.9),
        "half width": (0.4, 0.1, 0.3, 0.2),
        "protocol": (
            "1,200 characters and 423, turned ones are classes in both; 4 x conv-64 with stride 2; 5-way:"
            " one inner step of 0.4 and 32 tasks, three steps in the test; 20-way: five of 0.1 and 16 "
            "tasks; 60,000 meta-iterations; batch statistics in the test, so transductive"
        ),
    },
    "MAML++": {
        "source": "Antoniou, Edwards and Storkey 2019, arXiv:1810.09502",
        "omniglot": (99.47, 99.93, 97.65, 99.33),
        "protocol": (
            "1,150 characters, 50 for validation, 423; turned ones are classes; five inner steps; 150 "
            "epochs of 500 meta-iterations; statistics of each inner step, of the batch in the test, so "
            "transductive; an ensemble of the five models that were best in validation, three seeds"
        ),
    },
    "Reptile": {
        "source": "Nichol, Achiam and Schulman 2018, arXiv:1803.02999, table 2, Reptile + transduction",
        "omniglot": (97.68, 99.48, 89.43, 97.12),
        "half width": (0.04, 0.06, 0.14, 0.32),
        "without transduction": (95.39, 98.90, 88.14, 96.65),
        "protocol": (
            "1,200 characters, turned ones are classes in training only, and 423; MAML's network; 5-way: "
            "five inner steps of Adam on 10 of 10 examples a class, 5 tasks, 100,000 meta-iterations, 50 "
            "steps in the test"
        ),
    },
    "prototypical": {
        "source": "Snell, Swersky and Zemel 2017, arXiv:1703.05175, table 1",
        "omniglot": (98.8, 99.7, 96.0, 98.9),
        "protocol": (
            "1,200 characters and 423, turned ones are classes in both; 4 x conv-64 with max-pool; "
            "trained on 60-way tasks of the shots of the test, 5 queries a class; statistics of the "
            "training in the test: no transduction"
        ),
    },
    "matching": {
        "source": (
            "Vinyals, Blundell, Lillicrap, Kavukcuoglu and Wierstra 2016, arXiv:1606.04080, table 1, no fine-tuning"
        ),
        "omniglot": (98.1, 98.9, 93.8, 98.5),
        "protocol": "1,200 characters and 423, turned ones are classes in both; 4 x conv-64 with max-pool",
    },
    "sinusoid": {
        "source": "Li, Zhou, Chen and Li 2017, arXiv:1707.09835, table 1, trained and tested with 10 shots",
        "MAML": (0.77, 0.11),
        "Meta-SGD": (0.53, 0.09),
        "protocol": (
            "frequency 0.8..1.2 besides amplitude and phase; one inner step, MAML's of 0.01; 4 tasks, "
            "60,000 meta-iterations; 100 waves, 100 even points of each"
        ),
    },
}
