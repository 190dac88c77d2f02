// SPDX-License-Identifier: MIT

package jobfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxSplit is how many sizes fio takes in one bssplit.
const maxSplit = 64

// storeBlockSplit reads SIZE/PERCENT:SIZE/PERCENT:..., for all directions or for READ,WRITE,TRIM.
func storeBlockSplit(d *draft, v value) error {
	parts := strings.Split(v.text, ",")
	if len(parts) > int(Directions) {
		return fmt.Errorf("takes at most %d lists, not %d", Directions, len(parts))
	}
	for i := range Directions {
		part := parts[min(int(i), len(parts)-1)]
		if strings.TrimSpace(part) == "" {
			continue
		}
		mix, err := parseSplit(part, d.KBBase)
		if err != nil {
			return err
		}
		least, most := mix[0].Size, mix[0].Size
		for _, m := range mix {
			least, most = min(least, m.Size), max(most, m.Size)
		}
		d.BlockSplit[i], d.BlockSize[i] = mix, Range{least, most}
	}
	return nil
}

// parseSplit sorts the sizes by their share, the least first. What no size has been given goes to those without a
// number, or else to the last, as in fio.
func parseSplit(text string, kbBase int) ([]SizeMix, error) {
	var mix []SizeMix
	given, open := 0, 0
	for _, entry := range strings.Split(strings.TrimSuffix(text, ":"), ":") {
		size, percent, _ := strings.Cut(entry, "/")
		n, err := parseBytes(strings.TrimSpace(size), kbBase)
		if err != nil {
			return nil, err
		}
		if n < 1 {
			return nil, fmt.Errorf("%q: a block has at least 1 byte", entry)
		}
		m := SizeMix{Size: n}
		if percent = strings.TrimSpace(percent); percent != "" && percent != "0" {
			if m.Percent, err = strconv.Atoi(percent); err != nil || m.Percent < 0 || m.Percent > 100 {
				return nil, fmt.Errorf("%q: %q is no percentage", entry, percent)
			}
			given += m.Percent
		} else {
			open++ // A share of 0 means the same to fio as none.
		}
		mix = append(mix, m)
	}
	switch {
	case len(mix) > maxSplit:
		return nil, fmt.Errorf("takes at most %d sizes, not %d", maxSplit, len(mix))
	case given > 100:
		return nil, fmt.Errorf("the percentages sum to %d, which is more than 100", given)
	case given == 100 && open > 0:
		return nil, errors.New("the percentages sum to 100 and leave nothing for the sizes without one")
	}
	for i := range mix {
		if mix[i].Percent == 0 {
			mix[i].Percent = (100 - given) / open
		}
	}
	slices.SortStableFunc(mix, func(a, b SizeMix) int { return cmp.Compare(a.Percent, b.Percent) })
	sum := 0
	for _, m := range mix {
		sum += m.Percent
	}
	mix[len(mix)-1].Percent += 100 - sum
	return mix, nil
}
