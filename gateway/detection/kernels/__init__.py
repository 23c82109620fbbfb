"""The detector's kernels: background, noise and CUSUM statistic of each datastream, O(1) per reading.

For a reading x after a gap d (minutes, capped), with background b, variance v and CUSUM statistic C:

    network     common mode c = median of the residuals of fresh neighbours, plus `lift` times the distance to the
                upper quartile; M = 0.7413 times the spread of the middle half; from four neighbours on, without the
                station itself in groups of up to nine. Of two or three neighbours the lowest counts, and M = 0.
    noise       s = sqrt(v + (noise_absolute + noise_relative |b|)^2),  S = sqrt(s^2 + (spread M)^2)
    excess      e = x - b - share beta max(0, c),  z = e/S;  beta in [0.3, 2] learns how strongly this station follows
    CUSUM       C <- clip(C + w (min(z, clip) - drift), 0, 4 threshold),  w = min(1, gap / unit),
                with a shorter unit if z >= quick
    candidate   C > threshold and e > smallest, after the warm-up; the onset is the first reading since C was 0
                or a single outlier (z >= odd) left a tail. At intervals of 30 to 180 s, with o the reading before it,
                x1 the next, x2 the one after: x1 - o > tail_now q d or x1 - (o + x2) / 2 > tail q d,
                and more than 1 % of the height; q = sqrt(v + (noise_absolute / 4)^2) before it, d the interval in
                minutes (>= 1)
                `smallest` is `smallest_among` where two neighbours rise or did within 15 minutes
    event       a candidate, at once in streams without a judge, else when `judge` finds it likely enough
    size        x - share beta max(0, c) above the background before the rise, which learnt part of it since
    close       e below 0.3 of the peak's, or in the noise, for two readings and `close_seconds`; or after 2 hours
    background  b <- b + a r clip(x - b, -fall_limit s, rise_limit s), a = 1 - exp(-d / tau), `fall_speed`
                times as much if x < b - 1.5 s; v likewise, but learns from x - b - beta c if that is smaller: the
                common mode is not noise;
                r = 1 / (1 + hold C / threshold), `freeze` while a candidate or an event is open

C is a one-sided CUSUM (Page 1954) of the standardised excess per unit of time, so that streams of 1 s and of 150 s
behave alike. As clip - drift < threshold, a single reading never opens an event. In its first minutes a stream learns
as fast as a running mean.

Only + - * / and sqrt are used. IEEE 754 defines them to the last bit, so every machine detects the same events. The
exponential is its Pade approximation u / (1 + u/2 + u^2/12), within 3 % up to u = 3, its upper limit here.

A reading of a quiet stream touches one cache line and never divides. Step sizes are computed again only if the gap
differs from the previous one. C is updated only if it is or may become positive. `event_lifecycle` follows one
datastream's event, `regional` the episode of a whole group.
"""
