"""The one reader of recordings: files of measurements, ours or other people's, as values with flags.

`piekwacht backtest` and the sensor `replay` read files with it, so that both see the same values at the same times.
`reader` is the way in; `files` gives lines of cells, `formats` names the cells, `times` and `numbers` read the
cells. It needs the standard library and msgspec only, so that it runs on a node.
"""
