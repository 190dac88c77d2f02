// SPDX-License-Identifier: MIT

package jobfile

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// maxPayload is the longest pattern that fio takes, in bytes.
const maxPayload = 512

// offsetBytes is how much of a payload %o takes: the I/O's offset, little endian.
const offsetBytes = 8

// parsePayload reads a pattern: any mix, without separators, of "text", 'FILE' (the contents of a file), 0xBYTES (as
// long as wanted, in the order written), decimal numbers (of 32 bits, little endian, without leading zeroes) and, where
// allowed, %o.
func parsePayload(text string, withOffset bool) (Payload, error) {
	var p Payload
	rest := text
	for rest != "" {
		var chunk []byte
		var err error
		switch {
		case rest[0] == '"':
			chunk, rest, err = cutQuoted(rest)
		case rest[0] == '\'':
			var name []byte
			if name, rest, err = cutQuoted(rest); err == nil {
				chunk, err = readPayload(string(name))
			}
		case withOffset && strings.HasPrefix(rest, "%o"):
			p.Offsets = append(p.Offsets, len(p.Bytes))
			chunk, rest = make([]byte, offsetBytes), rest[len("%o"):]
		case len(rest) > 1 && strings.EqualFold(rest[:2], "0x"):
			chunk, rest, err = cutHex(rest)
		default:
			chunk, rest, err = cutDecimal(rest)
		}
		if err == nil && len(chunk) == 0 {
			err = fmt.Errorf("a part of the pattern %s is empty", text)
		}
		if err != nil {
			return Payload{}, err
		}
		p.Bytes = append(p.Bytes, chunk...)
		if len(p.Bytes) > maxPayload {
			return Payload{}, fmt.Errorf("a pattern has at most %d bytes", maxPayload)
		}
	}
	if p.Bytes == nil {
		return p, fmt.Errorf("the pattern is empty")
	}
	return p, nil
}

func cutQuoted(text string) ([]byte, string, error) {
	end := strings.IndexByte(text[1:], text[0])
	if end < 0 {
		return nil, "", fmt.Errorf("the quotation %s does not end", text)
	}
	return []byte(text[1 : 1+end]), text[end+2:], nil
}

func readPayload(name string) ([]byte, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // A FIFO must not hold the parser.
	if err != nil {
		return nil, err
	}
	defer file.Close()
	buf := make([]byte, maxPayload)
	n, err := file.Read(buf)
	if err != nil {
		return nil, fmt.Errorf("the pattern's file: %w", err)
	}
	return buf[:n], nil
}

// cutHex takes 0x and the digits behind it. An odd one out is the first byte's only digit.
func cutHex(text string) ([]byte, string, error) {
	digits := text[2:]
	end := strings.IndexFunc(digits, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) })
	if end < 0 {
		end = len(digits)
	} else if end > 0 && digits[end-1] == '0' && (digits[end] == 'x' || digits[end] == 'X') {
		end-- // The zero belongs to the next 0x.
	}
	if end == 0 {
		return nil, "", fmt.Errorf("%q has no digits behind 0x", text)
	}
	padded := digits[:end]
	if end%2 == 1 {
		padded = "0" + padded
	}
	chunk, err := hex.DecodeString(padded)
	return chunk, digits[end:], err
}

func cutDecimal(text string) ([]byte, string, error) {
	end := strings.IndexFunc(text[1:], func(r rune) bool { return r < '0' || r > '9' }) + 1
	if end == 0 {
		end = len(text)
	}
	if end < len(text) && end > 1 && text[end-1] == '0' && (text[end] == 'x' || text[end] == 'X') {
		end-- // The zero belongs to the next 0x.
	}
	n, err := strconv.ParseInt(text[:end], 10, 64)
	if err != nil || n > math.MaxInt32 || n < math.MinInt32 {
		return nil, "", fmt.Errorf("%q is no number of 32 bits, no 0xBYTES, \"text\" or 'FILE'", text[:end])
	}
	var chunk [4]byte
	binary.LittleEndian.PutUint32(chunk[:], uint32(n))
	length := 4
	for length > 1 && chunk[length-1] == 0 {
		length--
	}
	return chunk[:length], text[end:], nil
}
