"""vlmunl: worst-case counterfactual recovery for vision-language model unlearning."""

__version__ = "0.1.0"
