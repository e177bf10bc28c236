// Coefficients of the polynomials and constants in parts behind simd/math.h, lowest power first.
// Written by tools/fit.py (Chebyshev interpolation in 80-digit arithmetic): change that file, not this one.
#pragma once

#include "simd/vec.h"

// clang-format off
namespace chainrule::CHAINRULE_ISA::simd {

template <class T> struct Coefficients;

template <> struct Coefficients<float> {
  // (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2
  static constexpr float exp[] = {0.5f, 0.166665763f, 0.0416665524f, 0.00836323109f, 0.00139262492f};
  // (log((1 + s) / (1 - s)) / s - 2) / z, z = s^2, for (1 + s) / (1 - s) in [3/4, 3/2]
  static constexpr float log[] = {0.666667163f, 0.399789751f, 0.299570084f};
  // (sin(r) - r) / r^3 in z = r^2 for |r| <= pi / 4
  static constexpr float sin[] = {-0.166666642f, 0.00833274703f, -0.000195876448f};
  // (cos(r) - 1 + z / 2) / z^2, z = r^2, for |r| <= pi / 4
  static constexpr float cos[] = {0.0416666642f, -0.00138883013f, 2.45476949e-05f};
  // (arctan(r) - r) / r^3 in z = r^2 for |r| <= tan(pi / 8)
  static constexpr float arctan[] = {-0.333333313f, 0.199995384f, -0.142638981f, 0.107431144f, -0.0644988418f};
  // (arcsin(r) - r) / r^3 in z = r^2 for |r| <= 1/2
  static constexpr float arcsin[] = {0.166666731f, 0.0749885291f, 0.0450018942f, 0.0265506636f, 0.0380939618f};
  // erf(x) / x - 1 in z = x^2 for |x| <= 1
  static constexpr float erf[] = {0.128379166f, -0.376126379f, 0.112837821f, -0.0268654302f, 0.00522103161f,
      -0.000848408032f, 0.000112659589f, -9.66704465e-06f};
  // (1 + 2 x) e^(x^2) erfc(x) in t = (x - 4) / (x + 4) for 1/2 <= x <= 30
  static constexpr float erfcx[] = {1.23299515f, -0.139621109f, 0.0153796514f, 0.0680969581f, -0.101039089f,
      0.0937341526f, -0.0663298219f, 0.0371596329f, -0.0162017774f, 0.00505544851f, -0.000744698045f,
      -0.000234619671f, 0.000131091438f};
  // first guess of the cube root of x in [1, 8)
  static constexpr float cbrt[] = {0.653896272f, 0.412181467f, -0.0679728016f, 0.0069891694f, -0.000288219948f};
  // (atanh(s) / s - 1 - z / 3) / z^2, z = s^2, as for log
  static constexpr float power[] = {0.200000197f, 0.142770991f, 0.116786696f};
  // ln 2 in two parts
  static constexpr float ln2[] = {0.693145752f, 1.42860677e-06f};
  // 1 / ln 2 in two parts
  static constexpr float inverse_ln2[] = {1.44238281f, 0.000312228396f};
  // 1 / ln 10 in two parts
  static constexpr float inverse_ln10[] = {0.434204102f, 9.03803375e-05f};
  // log10(2) in two parts
  static constexpr float log10_2[] = {0.301025391f, 4.60503907e-06f};
  // pi / 4 in two parts
  static constexpr float pi_4[] = {0.785398126f, 3.77489506e-08f};
  // pi / 2 in two parts
  static constexpr float pi_2[] = {1.57079625f, 7.54979013e-08f};
  // pi in two parts
  static constexpr float pi[] = {3.1415925f, 1.50995803e-07f};
  // pi / 2 in three parts
  static constexpr float pi_2_near[] = {1.57079637f, -4.37113883e-08f, -1.71512451e-15f};
};

template <> struct Coefficients<double> {
  // (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2
  static constexpr double exp[] = {0.50000000000000011, 0.16666666666666669, 0.041666666666623831,
      0.008333333333330039, 0.0013888888917363079, 0.00019841269863168478, 2.4801521064076528e-05,
      2.7557268281679976e-06, 2.7620198643234748e-07, 2.5100470238808523e-08};
  // (log((1 + s) / (1 - s)) / s - 2) / z, z = s^2, for (1 + s) / (1 - s) in [3/4, 3/2]
  static constexpr double log[] = {0.66666666666666663, 0.40000000000007857, 0.28571428567314577,
      0.22222223041913053, 0.1818173813190288, 0.15388847596934832, 0.13210105930760987, 0.13605974253519129};
  // as exp, where doubles serve a float result
  static constexpr double exp_short[] = {0.50000000135368272, 0.16666666681702103, 0.041666464216385868,
      0.0083333108467556604, 0.0013933728612795888, 0.00019891078128613841};
  // as log, where doubles serve a float result
  static constexpr double log_short[] = {0.66666666670043051, 0.39999995786566972, 0.28572267364078646,
      0.22164036307572096, 0.19812935241650617};
  // (sin(r) - r) / r^3 in z = r^2 for |r| <= pi / 4
  static constexpr double sin[] = {-0.16666666666666666, 0.0083333333333309376, -0.00019841269836740955,
      2.7557316093417853e-06, -2.5051129942141508e-08, 1.5917992268027582e-10};
  // (cos(r) - 1 + z / 2) / z^2, z = r^2, for |r| <= pi / 4
  static constexpr double cos[] = {0.041666666666666664, -0.0013888888888887389, 2.4801587298754668e-05,
      -2.7557317266015365e-07, 2.0876145077997095e-09, -1.1382546702689447e-11};
  // (arctan(r) - r) / r^3 in z = r^2 for |r| <= tan(pi / 8)
  static constexpr double arctan[] = {-0.33333333333333331, 0.1999999999999548, -0.14285714284658096,
      0.1111111101457736, -0.09090904550548129, 0.076921825505158276, -0.066645024323699509, 0.058580706374643798,
      -0.050850403242495727, 0.039219836277996474, -0.019162416068137525};
  // (arcsin(r) - r) / r^3 in z = r^2 for |r| <= 1/2
  static constexpr double arcsin[] = {0.16666666666666669, 0.074999999999984246, 0.04464285714637338,
      0.030381944137085216, 0.022372173002005596, 0.017352391265909227, 0.013971235301124539, 0.011478952690257387,
      0.010324318288744113, 0.0054508781877205502, 0.017419357964884856, -0.014881409392818066, 0.02877844261259304};
  // erf(x) / x - 1 in z = x^2 for |x| <= 1
  static constexpr double erf[] = {0.12837916709551259, -0.37612638903183748, 0.11283791670954879,
      -0.026866170645076792, 0.0052239776248180145, -0.000854832698083379, 0.0001205533111164271,
      -1.4925595266831182e-05, 1.6461000484121368e-06, -1.6350312701054695e-07, 1.4659775274047436e-08,
      -1.1372848856791674e-09, 5.9571761477489113e-11};
  // (1 + 2 x) e^(x^2) erfc(x) in t = (x - 4) / (x + 4) for 1/2 <= x <= 30
  static constexpr double erfcx[] = {1.2329951186255526, -0.13962111684056253, 0.015379652102618593,
      0.068097054254693895, -0.10103906603622684, 0.093732834998331696, -0.066330365814251405, 0.037167515537245538,
      -0.016197734030471249, 0.0050319699862962685, -0.00075777350260250508, -0.00019925678435455549,
      0.00015062272137794178, -2.439869430915238e-05, -1.1225317808672816e-05, 5.7079071884597858e-06,
      3.0047101619056385e-07, -8.2142672538976755e-07, 6.6238267008793939e-08, 1.0471304543743788e-07,
      -1.19369737807078e-08, -1.0125575107488725e-08};
  // first guess of the cube root of x in [1, 8)
  static constexpr double cbrt[] = {0.65389629855697906, 0.41218147796292448, -0.067972800355005469,
      0.0069891694835587225, -0.00028821993462765743};
  // (atanh(s) / s - 1 - z / 3) / z^2, z = s^2, as for log
  static constexpr double power[] = {0.20000000000000001, 0.14285714285714243, 0.11111111111139042,
      0.090909090837629755, 0.076923086069203048, 0.066666010432136255, 0.058851095159768364, 0.051961129787041177,
      0.056270440780958157};
  // ln 2 in two parts
  static constexpr double ln2[] = {0.69314718055989033, 5.4979230187083712e-14};
  // 1 / ln 2 in two parts
  static constexpr double inverse_ln2[] = {1.4426950216293335, 1.9259629911266175e-08};
  // 1 / ln 10 in two parts
  static constexpr double inverse_ln10[] = {0.43429446220397949, 1.9699272335463627e-08};
  // log10(2) in two parts
  static constexpr double log10_2[] = {0.30102999566395283, 2.8363394551044964e-14};
  // pi / 4 in two parts
  static constexpr double pi_4[] = {0.78539816339744828, 3.061616997868383e-17};
  // pi / 2 in two parts
  static constexpr double pi_2[] = {1.5707963267948966, 6.123233995736766e-17};
  // pi in two parts
  static constexpr double pi[] = {3.1415926535897931, 1.2246467991473532e-16};
  // pi / 2 in three parts
  static constexpr double pi_2_near[] = {1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33};
};

// pi / 2 in parts of 33 bits, the last of 53
constexpr double kHalfPi[] = {1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21,
      8.4784276603688996e-32};
// 64 zeros, then the binary digits of 2 / pi after the point
constexpr uint64_t kTwoOverPi[] = {
    0x0000000000000000, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041,
    0xfe5163abdebbc561, 0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e,
    0xe88235f52ebb4484, 0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b,
    0x1ff897ffde05980f, 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab,
    0xf0cfbc209af4361d,
};

}  // namespace chainrule::CHAINRULE_ISA::simd
