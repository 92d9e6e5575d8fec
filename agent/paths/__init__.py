"""The network senses: codecs and judgement pure, the prober their shell."""
