"""The wires: which pin is which lamp, and the one place that drives them."""
