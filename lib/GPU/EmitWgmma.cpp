//===- EmitWgmma.cpp - Contractions by wgmma and bulk copies --------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For f16, bf16, tf32, e4m3 and e5m2 factors and f32 sums, on sm_90a. The
// warpgroups of a block have two jobs; a ring of stages in shared memory is
// between them:
//
//   producer   wait empty | copies -> stage        (one thread, bulk copies)
//   consumers  wait full  | wgmma  -> registers    | release the stage before
//              after the last slice: sums -> epilogue -> outputs
//
// A wgmma reads both factors from shared memory while the next is already under
// way: a consumer waits for all but the youngest group, and releases the stage
// before. The producer does not wait for epilogues: it fills stages for the
// next tile meanwhile. Pieces: WgmmaPlan (who and where), TileSchedule (which
// tile when), FactorBoxes (copies and descriptors), StageRing (barriers).
//
//===----------------------------------------------------------------------===//

#include "Emitters.h"
#include "StageRing.h"
#include "WgmmaEpilogue.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// The first of two named barriers; those before it are the block's and the
/// consumers' own.
static constexpr int64_t kTurnBarrier = 4;

namespace {
/// Writes one kernel.
class WgmmaEmitter {
public:
  WgmmaEmitter(KernelModule &kernels, RewriterBase &host, ContractOp op,
               KernelAttr choice, const WgmmaPlan &plan)
      : op(op), product(op, choice), choice(choice), plan(plan),
        k(kernels, host, op, "wgmma", plan.threads()), access(k, product),
        schedule(k, access, choice.getTile(),
                 {plan.clusterDown, plan.clusterAcross}, choice.getSplit()),
        ring(k, plan.barriers, plan.stages), first(k, access, plan.first.boxes),
        second(k, access, plan.second.boxes),
        epilogue(k, access, product, plan, choice.getVector()[2]) {}

  void run();
  /// Sums that a second kernel has to add, if there are.
  Value getParts() const { return parts; }

private:
  void placeThreads();
  void initialize();
  void produce();
  void consume();
  SmallVector<Value> fill(TilePlace tile, RingPlace start);
  SmallVector<Value> emitTile(TilePlace tile, RingPlace at);
  SmallVector<Value> emitTurn(TilePlace tile, RingPlace at, Value turn);
  SmallVector<Value> emitSums(TilePlace tile, RingPlace at);
  SmallVector<Value> emitMainLoop(TilePlace tile, RingPlace at);
  Value emitAsm(StringRef text, StringRef constraints, ValueRange operands);
  Value pinSums(Value sums);
  void multiplyStage(Value stage, Value isLater, SmallVectorImpl<Value> &sums);
  Value multiply(Value a, Value b, Value isLater, Value sums);
  void meetCluster();
  void takeTurns(RingPlace start);
  void waitTurn(Value set);
  void passTurn();
  void shareFactors();
  void release(Value stage);

  Type sumsType() {
    SmallVector<Type> types(plan.columns / 2,
                            Float32Type::get(op.getContext()));
    return LLVM::LLVMStructType::getLiteral(op.getContext(), types);
  }

  ContractOp op;
  Product product;
  KernelAttr choice;
  const WgmmaPlan &plan;
  KernelBuilder k;
  ProductAccess access;
  TileSchedule schedule;
  StageRing ring;
  BoxedTensor first, second;
  WgmmaEpilogue epilogue;
  Value warp, lane;              ///< warp in the block, lane in the warp
  Value group;                   ///< warpgroup in the block; 0 produces
  Value consumer;                ///< number among the consumers
  Value set;                     ///< of consumers that take turns
  Value down, across;            ///< a consumer's part of the tile
  Value firstStart, secondStart; ///< descriptors of its part of stage 0
  Value parts;                   ///< sums, where several blocks share the depth
};
} // namespace

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

/// Numbers that all lanes of a warp agree on, and ptxas knows it.
void WgmmaEmitter::placeThreads() {
  Value all = k.constant(-1);
  warp = NVVM::ShflOp::create(
      k.b, k.b.getI32Type(), all, k.divU(k.threadId(), k.constant(32)),
      k.constant(0), k.constant(31), NVVM::ShflKind::idx, UnitAttr());
  lane = k.remU(k.threadId(), k.constant(32));
  group = k.divU(warp, k.constant(4));
}

static Value isEqual(KernelBuilder &k, Value lhs, Value rhs) {
  return k.b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::eq, lhs, rhs);
}

void WgmmaEmitter::initialize() {
  auto one = scf::IfOp::create(k.b, isEqual(k, k.threadId(), k.constant(0)));
  {
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPoint(one.thenBlock()->getTerminator());
    // Each warp that reads what this block copies arrives.
    ring.initialize(4 * plan.readers() * plan.sources());
  }
  if (plan.cluster() > 1)
    meetCluster();
  else
    k.barrier();
}

/// All threads of the cluster.
void WgmmaEmitter::meetCluster() {
  NVVM::ClusterArriveOp::create(k.b, /*aligned=*/UnitAttr());
  NVVM::ClusterWaitOp::create(k.b, /*aligned=*/UnitAttr());
}

/// The blocks of a cluster have numbers from top to bottom, then from left to
/// right. Those beside each other share rows, those above each other columns.
void WgmmaEmitter::shareFactors() {
  Value down = schedule.getDown(), across = schedule.getAcross();
  auto getBlocks = [&](Value shift, int64_t count, int64_t distance) {
    int64_t bits = 0;
    for (int64_t i = 0; i < count; ++i)
      bits |= int64_t(1) << (i * distance);
    Value mask = k.b.createOrFold<arith::ShLIOp>(k.constant(bits), shift);
    return k.b.createOrFold<arith::TruncIOp>(k.b.getI16Type(), mask);
  };
  if (plan.clusterAcross > 1)
    first.share(across, getBlocks(down, plan.clusterAcross, plan.clusterDown));
  if (plan.clusterDown > 1)
    second.share(down, getBlocks(k.mul(across, k.constant(plan.clusterDown)),
                                 plan.clusterDown, 1));
}

/// Lets the blocks that copied to a stage know that this warp has read it: one
/// lane for each.
void WgmmaEmitter::release(Value stage) {
  Value isThere = k.less(stage, k.constant(plan.stages));
  Value speaks = k.both(isThere, k.less(lane, k.constant(plan.sources())));
  if (plan.cluster() == 1) {
    ring.release(stage, speaks);
    return;
  }
  // Those of the same column, then the others of the same row.
  Value down = schedule.getDown(), across = schedule.getAcross();
  Value height = k.constant(plan.clusterDown);
  Value above = k.add(lane, k.mul(across, height));
  Value other = k.sub(lane, height);
  other = k.select(k.less(other, across), other, k.add(other, k.constant(1)));
  Value beside = k.add(down, k.mul(other, height));
  Value rank = k.select(k.less(lane, height), above, beside);
  // Lanes that are silent name a block that exists, too.
  rank = k.select(speaks, rank, k.constant(0));
  ring.release(stage, speaks, rank);
}

//===----------------------------------------------------------------------===//
// The producer
//===----------------------------------------------------------------------===//

/// The slices of a tile; returns the place behind them.
SmallVector<Value> WgmmaEmitter::fill(TilePlace tile, RingPlace start) {
  auto loop = scf::ForOp::create(k.b, tile.begin, tile.end, k.constant(1),
                                 ValueRange{start.stage, start.parity});
  k.keepRolled(loop);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToStart(loop.getBody());
  RingPlace at{loop.getRegionIterArgs()[0], loop.getRegionIterArgs()[1]};
  ring.waitEmpty(at);
  ring.expect(at.stage, plan.stageBytes());
  Value depth = k.mul(loop.getInductionVar(), k.constant(plan.first.depth()));
  Value barrier = ring.getFull(at.stage);
  Value shared =
      k.offset(k.sharedMemory(), k.mul(at.stage, k.constant(plan.stageBytes())),
               k.b.getI8Type());
  TileStart begin;
  begin[Role::Batch] = tile.batch;
  begin[Role::Rows] = tile.row;
  begin[Role::Columns] = tile.column;
  begin[Role::Depth] = depth;
  first.load(begin, shared, barrier);
  second.load(
      begin,
      k.offset(shared, k.constant(plan.first.boxes.bytes()), k.b.getI8Type()),
      barrier);
  RingPlace next = ring.next(at);
  scf::YieldOp::create(k.b, ValueRange{next.stage, next.parity});
  return SmallVector<Value>(loop.getResults());
}

void WgmmaEmitter::produce() {
  if (plan.producerRegisters != 0)
    NVVM::SetMaxRegisterOp::create(
        k.b, static_cast<uint32_t>(plan.producerRegisters),
        NVVM::SetMaxRegisterAction::decrease);
  auto isFirst = scf::IfOp::create(k.b, isEqual(k, warp, k.constant(0)));
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPoint(isFirst.thenBlock()->getTerminator());
  Value elected = NVVM::ElectSyncOp::create(k.b, k.b.getI1Type(), Value());
  auto one = scf::IfOp::create(k.b, elected);
  k.b.setInsertionPoint(one.thenBlock()->getTerminator());
  RingPlace start = ring.start(/*isProducer=*/true);
  schedule.emitLoop({start.stage, start.parity},
                    [&](TilePlace tile, ValueRange carried) {
                      return fill(tile, {carried[0], carried[1]});
                    });
}

//===----------------------------------------------------------------------===//
// Consumers
//===----------------------------------------------------------------------===//

/// The name of an element type in PTX.
static StringRef getTypeName(Type element) {
  if (element.isF32())
    return "tf32";
  if (element.isF16())
    return "f16";
  if (element.isBF16())
    return "bf16";
  return isa<Float8E4M3FNType>(element) ? "e4m3" : "e5m2";
}

/// Adds the product of 64 rows by all columns of the warpgroup and 32 bytes of
/// depth to the sums, or begins with it where `isLater` is zero (PTX ISA,
/// "wgmma.mma_async": scale-d, which the op of the NVVM dialect wants constant;
/// zeros instead would be moved behind the fence).
Value WgmmaEmitter::multiply(Value a, Value b, Value isLater, Value sums) {
  int64_t count = plan.columns / 2;
  auto typeOf = [&](unsigned factor) {
    return getTypeName(product.getElement(factor));
  };
  std::string text, outputs, ties;
  llvm::raw_string_ostream code(text);
  code << "{ .reg .pred p; setp.ne.b32 p, $" << count + 2
       << ", 0; wgmma.mma_async.sync.aligned.m" << kGroupRows << "n"
       << plan.columns << "k" << kStepBytes / plan.elementBytes() << ".f32."
       << typeOf(product.first) << "." << typeOf(product.second) << " {";
  SmallVector<Value> operands{a, b, isLater};
  for (int64_t i = 0; i < count; ++i) {
    code << (i == 0 ? "$" : ", $") << i;
    outputs += "=f,";
    ties += "," + std::to_string(i);
    operands.push_back(LLVM::ExtractValueOp::create(k.b, sums, i));
  }
  code << "}, $" << count << ", $" << count + 1 << ", p, 1, 1";
  if (plan.elementBytes() == 2)
    code << ", " << !plan.first.alongDepth() << ", "
         << !plan.second.alongDepth();
  code << "; }";
  return emitAsm(text, outputs + "l,l,r" + ties, operands);
}

/// Inline assembly whose result are the sums of 64 rows.
Value WgmmaEmitter::emitAsm(StringRef text, StringRef constraints,
                            ValueRange operands) {
  return LLVM::InlineAsmOp::create(
             k.b, sumsType(), operands, text, constraints,
             /*has_side_effects=*/true, /*is_align_stack=*/false,
             LLVM::tailcallkind::TailCallKind::None,
             LLVM::AsmDialectAttr::get(op.getContext(),
                                       LLVM::AsmDialect::AD_ATT),
             ArrayAttr())
      .getResult(0);
}

/// The sums after a wait. To LLVM the wait has nothing to do with them, and
/// arithmetic on them could move before it; this takes and gives them. The wait
/// itself could not: copies of its operands would come before it.
Value WgmmaEmitter::pinSums(Value sums) {
  std::string outputs, ties;
  SmallVector<Value> operands;
  for (int64_t i = 0; i < plan.columns / 2; ++i) {
    outputs += i == 0 ? "=f" : ",=f";
    ties += "," + std::to_string(i);
    operands.push_back(LLVM::ExtractValueOp::create(k.b, sums, i));
  }
  return emitAsm("", outputs + ties, operands);
}

void WgmmaEmitter::multiplyStage(Value stage, Value isLater,
                                 SmallVectorImpl<Value> &sums) {
  Value start = k.mul(k.extend(stage), k.constant(plan.stageBytes() / 16, 64));
  Value a = k.add(firstStart, start), b = k.add(secondStart, start);
  auto move = [&](Value descriptor, int64_t bytes) {
    return k.add(descriptor, k.constant(bytes / 16, 64));
  };
  for (int64_t step = 0; step < plan.steps(); ++step)
    for (int64_t block = 0; block < plan.blocks(); ++block)
      sums[block] =
          multiply(move(a, plan.first.getOffset(block * kGroupRows, step)),
                   move(b, plan.second.getOffset(0, step)),
                   step == 0 ? isLater : k.constant(1), sums[block]);
}

/// The loop over the slices of a tile, of which there is at least one: sums,
/// and the place behind them.
SmallVector<Value> WgmmaEmitter::emitMainLoop(TilePlace tile, RingPlace at) {
  // No stage yet that is to be released.
  Value none = k.constant(plan.stages);
  SmallVector<Value> start(plan.blocks(),
                           LLVM::PoisonOp::create(k.b, sumsType()));
  start.append({at.stage, at.parity, none, k.constant(0)});
  auto loop =
      scf::ForOp::create(k.b, tile.begin, tile.end, k.constant(1), start);
  k.keepRolled(loop);
  {
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPointToStart(loop.getBody());
    auto carried = loop.getRegionIterArgs();
    SmallVector<Value> sums(carried.drop_back(4));
    auto others = carried.take_back(4);
    RingPlace here{others[0], others[1]};
    Value before = others[2], isLater = others[3];
    ring.waitFull(here);
    NVVM::WgmmaFenceAlignedOp::create(k.b);
    multiplyStage(here.stage, isLater, sums);
    NVVM::WgmmaGroupSyncAlignedOp::create(k.b);
    NVVM::WgmmaWaitGroupSyncOp::create(k.b, static_cast<uint64_t>(1));
    release(before);
    RingPlace next = ring.next(here);
    sums.append({next.stage, next.parity, here.stage, k.constant(1)});
    scf::YieldOp::create(k.b, sums);
  }
  passTurn();
  SmallVector<Value> results(loop.getResults().drop_back(2));
  NVVM::WgmmaWaitGroupSyncOp::create(k.b, static_cast<uint64_t>(0));
  for (Value &sums : MutableArrayRef(results).drop_back(2))
    sums = pinSums(sums);
  release(loop.getResult(plan.blocks() + 2));
  return results;
}

/// The sums of a tile, and the place behind its slices. A part of the depth may
/// have none.
SmallVector<Value> WgmmaEmitter::emitSums(TilePlace tile, RingPlace at) {
  SmallVector<Type> types(plan.blocks(), sumsType());
  types.append({at.stage.getType(), at.parity.getType()});
  auto branch = scf::IfOp::create(k.b, types, k.less(tile.begin, tile.end),
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(k.b, emitMainLoop(tile, at));
  k.b.setInsertionPointToStart(branch.elseBlock());
  passTurn();
  SmallVector<Value> none(plan.blocks(), LLVM::ZeroOp::create(k.b, sumsType()));
  none.append({at.stage, at.parity});
  scf::YieldOp::create(k.b, none);
  return SmallVector<Value>(branch.getResults());
}

void WgmmaEmitter::consume() {
  if (plan.consumerRegisters != 0)
    NVVM::SetMaxRegisterOp::create(
        k.b, static_cast<uint32_t>(plan.consumerRegisters),
        NVVM::SetMaxRegisterAction::increase);
  consumer = k.sub(group, k.constant(1));
  Value inTile = k.remU(consumer, k.constant(plan.readers()));
  down = k.divU(inTile, k.constant(plan.groupsAcross));
  across = k.remU(inTile, k.constant(plan.groupsAcross));
  // Where the warpgroup's rows and columns begin; offsets are linear in both.
  Value shared =
      LLVM::PtrToIntOp::create(k.b, k.b.getI64Type(), k.sharedMemory());
  // In a cluster an address has the number of the block in its upper bits.
  Value base =
      k.divU(k.andI(shared, k.constant(0x3FFFF, 64)), k.constant(16, 64));
  auto getStart = [&](const FactorBoxes &boxes, Value part, int64_t lines,
                      int64_t offset) {
    Value first =
        k.mul(k.extend(part), k.constant(boxes.getOffset(lines, 0) / 16, 64));
    Value start = k.add(base, k.add(first, k.constant(offset / 16, 64)));
    return LLVM::OrOp::create(k.b, start, k.constant(boxes.getDescriptor(), 64))
        .getResult();
  };
  firstStart = getStart(plan.first, down, plan.rows, 0);
  secondStart =
      getStart(plan.second, across, plan.columns, plan.first.boxes.bytes());
  epilogue.setThread(
      {lane, k.remU(warp, k.constant(4)), consumer, down, across});
  RingPlace start = ring.start(/*isProducer=*/false);
  if (plan.turns == 1)
    schedule.emitLoop({start.stage, start.parity},
                      [&](TilePlace tile, ValueRange carried) {
                        return emitTile(tile, {carried[0], carried[1]});
                      });
  else
    takeTurns(start);
  epilogue.finish();
}

//===----------------------------------------------------------------------===//
// Turns
//===----------------------------------------------------------------------===//
//
// Two sets of warpgroups take tiles in turn. A set may look at the ring only
// once the other has seen all slices of the tile before: parities tell a phase
// from the next one, not from the one after it. So each waits for its turn, at
// a named barrier where the other arrives without waiting.

void WgmmaEmitter::waitTurn(Value set) {
  NVVM::BarrierOp::create(k.b, /*res=*/Type(),
                          k.add(set, k.constant(kTurnBarrier)),
                          k.constant(kGroupThreads * plan.consumers()),
                          NVVM::BarrierReductionAttr(), Value());
}

/// The other set's turn begins; its epilogue is still before this one.
void WgmmaEmitter::passTurn() {
  if (plan.turns == 1)
    return;
  Value other = k.xorI(set, k.constant(1));
  NVVM::BarrierArriveOp::create(k.b, k.add(other, k.constant(kTurnBarrier)),
                                k.constant(kGroupThreads * plan.consumers()));
}

void WgmmaEmitter::takeTurns(RingPlace start) {
  auto ifSet = [&](Value number, llvm::function_ref<void()> body) {
    auto branch = scf::IfOp::create(k.b, isEqual(k, set, number));
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    body();
  };
  set = k.divU(consumer, k.constant(plan.readers()));
  // The first turn is set 0's.
  ifSet(k.constant(1), [&] { passTurn(); });
  Value turn = schedule.emitLoop(
      {start.stage, start.parity, k.constant(0)},
      [&](TilePlace tile, ValueRange carried) {
        return emitTurn(tile, {carried[0], carried[1]}, carried[2]);
      })[2];
  // The last arrival is waited for, too: no barrier is left half full.
  ifSet(turn, [&] { waitTurn(set); });
}

/// A tile; returns the place behind its slices.
SmallVector<Value> WgmmaEmitter::emitTile(TilePlace tile, RingPlace at) {
  SmallVector<Value> results = emitSums(tile, at);
  epilogue.emit(tile, ArrayRef(results).drop_back(2), parts);
  return SmallVector<Value>(ArrayRef(results).take_back(2));
}

/// A tile if it is this set's turn, else the place behind its slices; and whose
/// turn is next.
SmallVector<Value> WgmmaEmitter::emitTurn(TilePlace tile, RingPlace at,
                                          Value turn) {
  Type i32 = k.b.getI32Type();
  auto branch =
      scf::IfOp::create(k.b, TypeRange{i32, i32}, isEqual(k, set, turn),
                        /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPointToStart(branch.thenBlock());
    waitTurn(set);
    scf::YieldOp::create(k.b, emitTile(tile, at));
    k.b.setInsertionPointToStart(branch.elseBlock());
    RingPlace behind = ring.skip(at, k.sub(tile.end, tile.begin));
    scf::YieldOp::create(k.b, ValueRange{behind.stage, behind.parity});
  }
  return {branch.getResult(0), branch.getResult(1),
          k.xorI(turn, k.constant(1))};
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

void WgmmaEmitter::run() {
  if (choice.getSplit() > 1)
    parts = allocateParts(k, access, k.b.getF32Type(), choice.getSplit());
  // ptxas obeys setmaxnreg only if it knows the registers at the start.
  k.setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), k.b.getI32IntegerAttr(1));
  first.addMap(op->getOperand(plan.first.boxes.operand), /*isFactor=*/true);
  second.addMap(op->getOperand(plan.second.boxes.operand), /*isFactor=*/true);
  epilogue.addMaps();
  if (plan.cluster() > 1) {
    k.setAttr(
        NVVM::NVVMDialect::getClusterDimAttrName(),
        k.b.getDenseI32ArrayAttr({static_cast<int32_t>(plan.cluster()), 1, 1}));
    shareFactors();
  }
  placeThreads();
  initialize();
  k.waitForKernels();
  auto jobs = scf::IfOp::create(k.b, isEqual(k, group, k.constant(0)),
                                /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPoint(jobs.thenBlock()->getTerminator());
    produce();
    k.b.setInsertionPoint(jobs.elseBlock()->getTerminator());
    consume();
  }
  // Others may still write to this block, or arrive at its barriers.
  if (plan.cluster() > 1)
    meetCluster();
  k.finish(schedule.getGrid(), k.hostConstant(1), k.hostConstant(1),
           plan.sharedBytes);
}

LogicalResult mlir::sparsedrop::emitWgmma(KernelModule &kernels,
                                          RewriterBase &host, ContractOp op,
                                          KernelAttr choice) {
  std::string reason;
  FailureOr<WgmmaPlan> plan = planWgmma(Product(op), choice, reason);
  if (failed(plan))
    return op->emitOpError()
           << "cannot become the kernel " << choice << ": " << reason;
  WgmmaEmitter emitter(kernels, host, op, choice, *plan);
  emitter.run();
  if (Value parts = emitter.getParts())
    emitCombination(kernels, host, op, parts, choice.getSplit());
  return success();
}
