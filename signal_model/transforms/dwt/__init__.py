"""The discrete wavelet transform in all of PyWavelets' families and modes; no model uses it."""
