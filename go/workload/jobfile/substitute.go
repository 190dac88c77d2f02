// SPDX-License-Identifier: MIT

package jobfile

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// substitute puts in what a line of a job file stands for: ${VARIABLE} of the environment, and fio's keywords, with
// arithmetic where a keyword occurs. missing are the variables that are not set; they stand for nothing.
func substitute(line string, lookup func(string) (string, bool)) (result string, missing []string, err error) {
	line, missing = expandVariables(line, lookup)
	line, found, err := replaceKeywords(line)
	if err != nil || !found {
		return line, missing, err
	}
	key, value, hasValue := strings.Cut(line, "=")
	if !hasValue || !strings.ContainsAny(line, "+-*/") {
		return line, missing, nil
	}
	n, err := calculate(value)
	if err != nil {
		return line, missing, err
	}
	return key + "=" + strconv.FormatInt(n, 10), missing, nil
}

func expandVariables(line string, lookup func(string) (string, bool)) (string, []string) {
	var out strings.Builder
	var missing []string
	for {
		before, rest, found := strings.Cut(line, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			out.WriteString(line)
			return out.String(), missing
		}
		value, set := lookup(name)
		if !set {
			missing = append(missing, name)
		}
		out.WriteString(before)
		out.WriteString(value)
		line = after
	}
}

// replaceKeywords also says whether there was one.
func replaceKeywords(line string) (string, bool, error) {
	before := line
	line = strings.ReplaceAll(line, "$pagesize", strconv.Itoa(os.Getpagesize()))
	line = strings.ReplaceAll(line, "$ncpus", strconv.Itoa(configuredCPUs()))
	if strings.Contains(line, "$mb_memory") {
		mib, err := memoryMiB()
		if err != nil {
			return line, true, fmt.Errorf("$mb_memory: %w", err)
		}
		line = strings.ReplaceAll(line, "$mb_memory", strconv.FormatInt(mib, 10))
	}
	return line, line != before, nil
}

// calculate evaluates whole numbers with + - * / % ^ and parentheses, as bc(1) does with scale 0.
func calculate(text string) (int64, error) {
	if len(text) > maxExpression {
		return 0, fmt.Errorf("an expression has at most %d characters", maxExpression)
	}
	c := calculator{text: strings.TrimSpace(text)}
	n := c.sum()
	c.skip()
	if c.err == nil && c.text != "" {
		c.err = fmt.Errorf("%q in an expression of whole numbers; units cannot be used here", c.text)
	}
	return n, c.err
}

// maxExpression is as in fio.
const maxExpression = 100

type calculator struct {
	text string
	err  error
}

func (c *calculator) skip() { c.text = strings.TrimLeft(c.text, " \t") }

// accept takes one of the operators if it is next.
func (c *calculator) accept(operators string) (byte, bool) {
	c.skip()
	if c.err == nil && c.text != "" && strings.IndexByte(operators, c.text[0]) >= 0 {
		operator := c.text[0]
		c.text = c.text[1:]
		return operator, true
	}
	return 0, false
}

func (c *calculator) sum() int64 {
	n := c.product()
	for {
		operator, found := c.accept("+-")
		if !found {
			return n
		}
		if operator == '+' {
			n += c.product()
		} else {
			n -= c.product()
		}
	}
}

func (c *calculator) product() int64 {
	n := c.power()
	for {
		operator, found := c.accept("*/%")
		if !found {
			return n
		}
		by := c.power()
		switch {
		case operator == '*' && by != 0 && n*by/by != n:
			c.err = errors.New("an expression is too large")
		case operator == '*':
			n *= by
		case by == 0:
			c.err = errors.New("an expression divides by zero")
			return 0
		case operator == '/':
			n /= by
		default:
			n %= by
		}
	}
}

func (c *calculator) power() int64 {
	n := c.operand()
	if _, found := c.accept("^"); !found {
		return n
	}
	exponent := c.power()
	result := int64(1)
	if exponent < 0 || exponent > 62 {
		c.err = fmt.Errorf("the exponent %d in an expression is not from 0 to 62", exponent)
		return 0
	}
	for range exponent {
		if n != 0 && result*n/n != result {
			c.err = errors.New("an expression is too large")
			return 0
		}
		result *= n
	}
	return result
}

func (c *calculator) operand() int64 {
	if _, found := c.accept("-"); found {
		return -c.operand()
	}
	if _, found := c.accept("("); found {
		n := c.sum()
		if _, closed := c.accept(")"); !closed && c.err == nil {
			c.err = errors.New("an expression lacks a )")
		}
		return n
	}
	c.skip()
	end := 0
	for end < len(c.text) && c.text[end] >= '0' && c.text[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(c.text[:end], 10, 64)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("%q where a whole number belongs in an expression", c.text)
	}
	c.text = c.text[end:]
	return n
}
