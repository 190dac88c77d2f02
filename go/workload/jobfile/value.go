// SPDX-License-Identifier: MIT

package jobfile

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A value is what an option was given, taken apart by its kind.
type value struct {
	text    string            // as given, trimmed
	numbers [Directions]int64 // times in nanoseconds; of a Pair: low and high
	given   [Directions]bool  // the numbers to store: an empty place in a list keeps what was there
	percent bool              // numbers[0] is a percentage
	choice  int               // index into Values
	rest    string            // of a Choice: what follows it behind a colon
	hasRest bool
	floats  []float64
}

// parse takes text apart. A bare option has no "=" and no text.
func (o *Option) parse(text string, bare bool, kbBase int) (value, error) {
	v := value{text: strings.TrimSpace(text)}
	if bare && o.Kind == Flag {
		v.numbers[0], v.given[0] = 1, true
		return v, nil
	}
	if bare && !o.Bare {
		return v, fmt.Errorf("needs a value: %s=%s", o.Name, o.FormOf())
	}
	var err error
	switch o.Kind {
	case Text:
		if v.text == "" {
			err = errors.New("is empty")
		}
	case Boolean, Flag:
		err = v.parseBit()
	case Integer, Bytes, Share, Seconds, Micros:
		err = o.parseNumbers(&v, kbBase)
	case Choice:
		err = o.parseChoice(&v)
	case Floats:
		v.floats, err = parseFloats(v.text, o.Min, o.Max)
	}
	return v, err
}

func (v *value) parseBit() error {
	switch v.text {
	case "0", "1":
		v.numbers[0], v.given[0] = int64(v.text[0]-'0'), true
		return nil
	}
	return fmt.Errorf("must be 0 or 1, not %q", v.text)
}

func (o *Option) parseChoice(v *value) error {
	name := v.text
	if o.store != nil && o.Form != "" { // Only these take something behind a colon.
		name, v.rest, v.hasRest = strings.Cut(v.text, ":")
	}
	v.choice = slices.Index(o.Values, name)
	if v.choice >= 0 {
		return nil
	}
	return fmt.Errorf("%q is none of %s%s", name, strings.Join(o.Values, ", "), suggestion(nearest(name, o.Values)))
}

func suggestion(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", name)
}

// parseNumbers reads one number, or a list with one for each direction, or a pair.
func (o *Option) parseNumbers(v *value, kbBase int) error {
	parts := []string{v.text}
	most := 1
	switch {
	case o.PerDirection:
		parts, most = strings.Split(v.text, ","), int(Directions)
	case o.Pair:
		parts, most = splitPair(v.text), 2
	}
	if len(parts) > most && (len(parts) > most+1 || parts[most] != "") {
		return fmt.Errorf("takes at most %d values, not %d", most, len(parts))
	}
	for i, part := range parts[:min(len(parts), most)] {
		if strings.TrimSpace(part) == "" && len(parts) > 1 {
			continue
		}
		if err := o.parseNumber(v, i, strings.TrimSpace(part), kbBase); err != nil {
			return err
		}
	}
	if !slices.Contains(v.given[:], true) {
		return errors.New("has no value in its list")
	}
	last := len(parts) - 1
	for i := last + 1; i < most && parts[last] != ""; i++ { // Later directions are as the last one given.
		v.numbers[i], v.given[i] = v.numbers[last], true
	}
	return nil
}

// splitPair cuts LOW-HIGH, LOW:HIGH or LOW,HIGH, but not at a sign.
func splitPair(text string) []string {
	if cut := strings.IndexAny(text, ",:-"); cut > 0 {
		return []string{text[:cut], text[cut+1:]}
	}
	return []string{text}
}

func (o *Option) parseNumber(v *value, i int, text string, kbBase int) error {
	var n int64
	var err error
	switch o.Kind {
	case Seconds:
		n, err = parseTime(text, time.Second)
	case Micros:
		n, err = parseTime(text, time.Microsecond)
	default:
		if o.Kind == Share && strings.HasSuffix(text, "%") {
			v.percent = true
			n, err = parsePercent(text)
			break
		}
		n, err = parseBytes(text, kbBase)
	}
	if err != nil {
		return err
	}
	v.numbers[i], v.given[i] = n, true
	if v.percent {
		return nil
	}
	return o.checkBounds(n)
}

func (o *Option) checkBounds(n int64) error {
	least, most := o.Min, o.Max
	if most == 0 && o.Kind == Integer {
		most = math.MaxInt32
	}
	if most == 0 {
		most = math.MaxInt64
	}
	switch {
	case n < least:
		return fmt.Errorf("must be at least %d, not %d", least, n)
	case n > most:
		return fmt.Errorf("must be at most %d, not %d", most, n)
	}
	return nil
}

func parsePercent(text string) (int64, error) {
	n, err := strconv.ParseUint(strings.TrimSuffix(text, "%"), 10, 16)
	if err != nil || n > 100 {
		return 0, fmt.Errorf("%q must be a whole percentage from 0%% to 100%%", text)
	}
	return int64(n), nil
}

// sizeUnits are the exponents of the units of size. Those in i mean the other base than the plain ones: fio keeps its
// first meaning of k, 1024, and gives kib the meaning 1000, unless kb_base is 1000.
var sizeUnits = map[string]int{"": 0, "b": 0, "k": 1, "kb": 1, "m": 2, "mb": 2, "g": 3, "gb": 3, "t": 4, "tb": 4,
	"p": 5, "pb": 5, "kib": 1, "mib": 2, "gib": 3, "tib": 4, "pib": 5}

// parseBytes reads a number with an optional unit of size. kbBase is what k means: 1024 or 1000.
func parseBytes(text string, kbBase int) (int64, error) {
	digits, unit, err := splitNumber(text)
	if err != nil {
		return 0, err
	}
	exponent, known := sizeUnits[strings.ToLower(unit)]
	switch {
	case unit == "%":
		return 0, fmt.Errorf("%q: a percentage makes no sense here", text)
	case strings.EqualFold(unit, "z"):
		return 0, fmt.Errorf("%q counts zones of zoned block devices, which are not supported", text)
	case !known && len(unit) == 2 && strings.EqualFold(unit[1:], "i"):
		return 0, fmt.Errorf("%q: unknown unit %q; write %s or %sib", text, unit, unit[:1], unit[:1])
	case !known:
		return 0, fmt.Errorf("%q: unknown unit %q; use k, m, g, t or p", text, unit)
	}
	base := int64(kbBase)
	if len(unit) == 3 {
		base = 1000 + 1024 - base
	}
	n := digits
	for range exponent {
		if n, err = multiply(n, base, text); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// parseTime reads a time in nanoseconds.
func parseTime(text string, plain time.Duration) (int64, error) {
	digits, unit, err := splitNumber(text)
	if err != nil {
		return 0, err
	}
	one, known := map[string]time.Duration{"": plain, "us": time.Microsecond, "usec": time.Microsecond,
		"ms": time.Millisecond, "msec": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour,
		"d": 24 * time.Hour}[strings.ToLower(unit)]
	switch {
	case !known:
		return 0, fmt.Errorf("%q: unknown unit %q; use us, ms, s, m, h or d", text, unit)
	case digits < 0:
		return 0, fmt.Errorf("%q: a time is not negative", text)
	}
	return multiply(digits, int64(one), text)
}

func multiply(n, by int64, text string) (int64, error) {
	high, low := bits.Mul64(uint64(max(n, -n)), uint64(by))
	if high != 0 || low > math.MaxInt64 {
		return 0, fmt.Errorf("%q is too large", text)
	}
	return n * by, nil
}

// splitNumber reads a whole number, decimal or hexadecimal behind 0x, and gives what follows it.
func splitNumber(text string) (n int64, unit string, err error) {
	sign, rest := int64(1), text
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		if rest[0] == '-' {
			sign = -1
		}
		rest = rest[1:]
	}
	base, isDigit := 10, func(r rune) bool { return r >= '0' && r <= '9' }
	if hex, found := cutPrefixFold(rest, "0x"); found {
		base, rest = 16, hex
		isDigit = func(r rune) bool { return strings.ContainsRune("0123456789abcdefABCDEF", r) }
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return !isDigit(r) })
	if end < 0 {
		end = len(rest)
	}
	n, err = strconv.ParseInt(rest[:end], base, 64)
	unit = rest[end:]
	switch {
	case end == 0:
		return 0, "", fmt.Errorf("%q is not a number", text)
	case err != nil:
		return 0, "", fmt.Errorf("%q is too large", text)
	case strings.HasPrefix(unit, "."):
		return 0, "", fmt.Errorf("%q: only whole numbers are allowed; use a smaller unit", text)
	case base == 16 && unit != "":
		return 0, "", fmt.Errorf("%q: a hexadecimal number takes no unit", text)
	}
	return sign * n, unit, nil
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

// maxFloats is the longest list of numbers that fio takes.
const maxFloats = 20

func parseFloats(text string, least, most int64) ([]float64, error) {
	parts := strings.Split(text, ":")
	if len(parts) > maxFloats {
		return nil, fmt.Errorf("takes at most %d numbers, not %d", maxFloats, len(parts))
	}
	floats := make([]float64, 0, len(parts))
	for _, part := range parts {
		f, err := parseFloat(part)
		if err != nil {
			return nil, err
		}
		if f < float64(least) || f > float64(most) {
			return nil, fmt.Errorf("%s is not between %d and %d", part, least, most)
		}
		floats = append(floats, f)
	}
	return floats, nil
}

func parseFloat(text string) (float64, error) {
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return f, nil
}
