"""The detector's kernel: background, noise and evidence of each datastream, reading by reading, O(1) each.

For a reading x after a gap d (minutes, capped), with background b, variance v and evidence C:

    network     c = median of what fresh neighbours are above their own backgrounds, plus `lift` times the way to the
                upper quartile; M = 0.7413 times the spread of the middle half; from four neighbours on, without the
                station itself in groups of up to nine. Of two or three neighbours the lowest counts, and M = 0.
    noise       s = sqrt(v + (noise_absolute + noise_relative |b|)^2),  S = sqrt(s^2 + (spread M)^2)
    excess      e = x - b - share beta max(0, c),  z = e/S;  beta in [0.3, 2] learns how strongly this station follows
    evidence    C <- clip(C + w (min(z, clip) - drift), 0, 4 threshold),  w = min(1, gap / unit),
                with a shorter unit where z is beyond doubt
    open        C > threshold and e > smallest, after the warm-up; the onset is the first reading since C was 0
                or one reading alone stood out (z >= odd) and left a tail. At intervals of 30 to 180 s, with o the
                reading before it, x1 the next, x2 the one after: x1 - o > tail_now q d or x1 - (o + x2) / 2 > tail q d,
                and 1 % of the height; q = sqrt(v + (noise_absolute / 4)^2) before it, d the interval in minutes (>= 1)
                `smallest` is `smallest_among` where two neighbours rise or did within 15 minutes
    size        x - share beta max(0, c) above the background before the rise, which learnt part of it since
    close       e below 0.3 of the peak's, or in the noise, for two readings and `close_seconds`; or after 2 hours
    background  b <- b + a r clip(x - b, -fall_limit s, rise_limit s), a = 1 - exp(-d / tau), `fall_speed`
                times as much where x < b - 1.5 s; v likewise, but learns from what is left of x - b without beta c
                where that is less: what all see is no noise;
                r = 1 / (1 + hold C / threshold), `freeze` while an event is open

The evidence is a one-sided CUSUM (Page 1954) on standardised excess, counted per unit of time, so that
streams of 1 s and of 150 s behave alike; with clip - drift < threshold a single reading never opens an
event. In its first minutes a stream learns as fast as a running mean.

Only + - * / and sqrt are used, which IEEE 754 defines to the last bit: any machine finds the same events.
The exponential is its Pade approximation u / (1 + u/2 + u^2/12), within 3 % up to u = 3, where it is held.

A reading of a quiet stream touches one line of the cache and never divides: what a gap weighs is worked out anew only
when it differs from the gap before it, evidence only where there is some or nearly some; what rises is left to `life`,
what all see to `episode`.
"""
