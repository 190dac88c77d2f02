package fileserver

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestRanges(t *testing.T) {
	const size = 100
	sixteen := strings.TrimSuffix(strings.Repeat("0-0,", 16), ",")
	for _, c := range []struct {
		value   string
		verdict rangeVerdict
		list    string
	}{
		{"bytes=0-0", rangeOK, "[{0 1}]"}, {"bytes=0-99", rangeOK, "[{0 100}]"}, {"bytes=10-19", rangeOK, "[{10 10}]"},
		{"bytes=99-", rangeOK, "[{99 1}]"}, {"bytes=0-", rangeOK, "[{0 100}]"}, {"bytes=50-1000", rangeOK, "[{50 50}]"},
		{"bytes=-1", rangeOK, "[{99 1}]"}, {"bytes=-100", rangeOK, "[{0 100}]"}, {"bytes=-101", rangeOK, "[{0 100}]"},
		{"BYTES=1-2", rangeOK, "[{1 2}]"}, {"bytes= 1-2 ", rangeOK, "[{1 2}]"}, {"bytes=,1-2,, ,", rangeOK, "[{1 2}]"},
		{"bytes=0-1,5-6", rangeOK, "[{0 2} {5 2}]"}, {"bytes=5-6 ,\t0-1", rangeOK, "[{5 2} {0 2}]"}, {"bytes=0-1,200-", rangeOK, "[{0 2}]"},
		{"bytes=-0,3-3", rangeOK, "[{3 1}]"}, {"bytes=0-49,50-99", rangeOK, "[{0 50} {50 50}]"},
		{"bytes=0-18446744073709551616", rangeOK, "[{0 100}]"}, {"bytes=-9223372036854775808", rangeOK, "[{0 100}]"},
		{"bytes=" + sixteen, rangeOK, ""}, {"bytes=" + sixteen + ",0-0", rangeIgnored, ""}, {"bytes=" + sixteen + ",x", rangeUnsatisfiable, ""},
		{"bytes=0-49,50-99,0-0", rangeIgnored, ""}, {"bytes=0-,0-", rangeIgnored, ""}, {"bytes=" + strings.Repeat("900-,", 17), rangeIgnored, ""},
		{"bytes=100-", rangeUnsatisfiable, ""}, {"bytes=100-200", rangeUnsatisfiable, ""}, {"bytes=-0", rangeUnsatisfiable, ""},
		{"bytes=99999999999999999999-", rangeUnsatisfiable, ""}, {"bytes=9223372036854775807-9223372036854775807", rangeUnsatisfiable, ""},
		{"bytes=5-4", rangeUnsatisfiable, ""}, {"bytes=", rangeUnsatisfiable, ""}, {"bytes=,", rangeUnsatisfiable, ""}, {"bytes=-", rangeUnsatisfiable, ""},
		{"bytes=a-b", rangeUnsatisfiable, ""}, {"bytes=alpha", rangeUnsatisfiable, ""}, {"bytes=1", rangeUnsatisfiable, ""}, {"bytes=1-2-3", rangeUnsatisfiable, ""},
		{"bytes=--1", rangeUnsatisfiable, ""}, {"bytes=+1-2", rangeUnsatisfiable, ""}, {"bytes=1 -2", rangeUnsatisfiable, ""}, {"bytes=0x1-2", rangeUnsatisfiable, ""},
		{"bytes=0-1,x", rangeUnsatisfiable, ""}, {"bytes=0-1;2-3", rangeUnsatisfiable, ""},
		{"items=0-1", rangeIgnored, ""}, {"bytes", rangeIgnored, ""}, {"", rangeIgnored, ""}, {"byte=0-1", rangeIgnored, ""}, {"bytes =0-1", rangeIgnored, ""},
	} {
		var s rangeSet
		verdict := s.parse([]byte(c.value), size)
		if verdict != c.verdict || (c.list != "" && fmt.Sprint(s.list[:s.n]) != c.list) {
			t.Errorf("%.60q: %d %v, want %d %s", c.value, verdict, s.list[:s.n], c.verdict, c.list)
		}
	}
}

func TestRangesOddSizes(t *testing.T) {
	var s rangeSet
	for _, value := range []string{"bytes=0-0", "bytes=-0", "bytes=x"} {
		if v := s.parse([]byte(value), 0); v != rangeIgnored {
			t.Errorf("%s of an empty file: %d", value, v)
		}
	}
	if v := s.parse([]byte("bytes=9223372036854775806-,-1"), math.MaxInt64); v != rangeOK || s.list[0] != (byteRange{math.MaxInt64 - 1, 1}) {
		t.Error(v, s.list[:s.n])
	}
	if v := s.parse([]byte("bytes=0-,0-0"), math.MaxInt64); v != rangeIgnored {
		t.Error(v)
	}
}

func TestContentRange(t *testing.T) {
	for want, got := range map[string][]byte{
		"bytes 5-9/100": appendContentRange(nil, byteRange{5, 5}, 100),
		"bytes */100":   appendContentRange(nil, byteRange{}, 100),
		"bytes 9223372036854775806-9223372036854775806/9223372036854775807": appendContentRange(nil, byteRange{math.MaxInt64 - 1, 1}, math.MaxInt64),
	} {
		if string(got) != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
